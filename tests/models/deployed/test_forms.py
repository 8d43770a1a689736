"""Each runtime has its form; dynamic convolution has forms of its own."""

import pytest

from mmlitehrnet.deploy import switch_to_deploy
from mmlitehrnet.models.deployed.forms import DYNAMIC_FORMS, FORMS
from tests.models.deployed.networks import NETWORKS, trained


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("name", ["LITE", "DITE"])
def test_dynamic_convolution_has_forms_of_its_own(name, target, batch_size):
    net = switch_to_deploy(trained(NETWORKS[name]), target, batch_size)
    form = net.deployed.form
    several = batch_size > 1 and target != "ncnn"  # Which takes one image at a time.
    plain = name == "DITE" and ("onnxruntime" in target or several)
    assert form.halves == plain
    own = name == "DITE" and (target, batch_size > 1) in DYNAMIC_FORMS
    assert own or form == FORMS[target]
    assert form.even_sizes == FORMS[target].even_sizes
