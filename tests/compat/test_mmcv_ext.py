"""mmcv's operators without compiled ones: equal where torchvision has them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from mmlitehrnet.compat import mmcv_ext
from tests.running import ROOT, run_python

REFERENCE = ROOT / "tests/data/mmcv_operators.npz"
# Compiled operators stay out of the way where there are some, and MMEngine finds those
# that there are without pkgutil.find_loader, which CPython 3.14 does not have.
COMPUTE = """
import pkgutil, sys
del pkgutil.find_loader
import mmlitehrnet
from mmlitehrnet_standins import Finder
sys.meta_path.insert(0, Finder)
import mmcv._ext, numpy, torchvision
from tests.compat.mmcv_operators import results
assert mmcv._ext.__file__.endswith("compat/mmcv_ext.py")
numpy.savez(sys.argv[1], **results())
"""


@pytest.mark.slow
def test_operators_agree_with_compiled_ones(tmp_path):
    run_python("-c", COMPUTE, tmp_path / "results.npz")
    with np.load(tmp_path / "results.npz") as ours, np.load(REFERENCE) as compiled:
        found, expected = dict(ours), dict(compiled)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        exact = name.startswith(("nms", "roi_align"))  # The others add in any order.
        error = np.abs(found[name] - value).max() / np.abs(value).max()
        assert error == 0 if exact else error <= 1e-6, (name, error)


@pytest.mark.parametrize("weight", [torch.empty(0), torch.tensor([0.5, 2.0, 3.0, 1.0])])
def test_focal_loss_and_its_gradient(weight):
    """Of torchvision, as mmcv has none for the CPU."""
    logits = torch.randn(6, 3)
    classes = torch.tensor([0, 1, 2, 3, 2, 0])  # 3 is the background.
    options = dict(gamma=2.0, alpha=0.25)
    loss, grad = torch.empty_like(logits), torch.empty_like(logits)
    mmcv_ext.sigmoid_focal_loss_forward(logits, classes, weight, loss, **options)
    mmcv_ext.sigmoid_focal_loss_backward(logits, classes, weight, grad, **options)
    leaf = logits.clone().requires_grad_()
    truth = F.one_hot(classes, 4)[:, :3].float()
    expected = sigmoid_focal_loss(leaf, truth, **options)
    if len(weight):
        expected = expected * weight[classes][:, None]
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(grad, torch.autograd.grad(expected.sum(), leaf)[0])


def test_attention_of_gpus_has_the_gradients_of_autograd():
    multi_scale = pytest.importorskip("mmcv.ops.multi_scale_deform_attn")
    shapes, starts = torch.tensor([[4, 4], [2, 2]]), torch.tensor([0, 16])
    inputs = [torch.randn(2, 20, 2, 4), torch.rand(2, 3, 2, 2, 2, 2)]
    inputs.append(torch.rand(2, 3, 2, 2, 2))
    value, locations, weights = leaves = [x.clone().requires_grad_() for x in inputs]
    expected = multi_scale.multi_scale_deformable_attn_pytorch(
        value, shapes, locations, weights
    )
    grad = torch.randn_like(expected)
    y = mmcv_ext.ms_deform_attn_forward(
        inputs[0], shapes, starts, *inputs[1:], im2col_step=64
    )
    assert torch.equal(y, expected)
    grads = [torch.empty_like(x) for x in inputs]
    mmcv_ext.ms_deform_attn_backward(
        inputs[0], shapes, starts, *inputs[1:], grad, *grads, im2col_step=64
    )
    for found, wanted in zip(grads, torch.autograd.grad(expected, leaves, grad)):
        torch.testing.assert_close(found, wanted)


def test_other_operators_say_what_to_install():
    with pytest.raises(NotImplementedError, match="softnms is not there.*mmcv 2.1.0"):
        mmcv_ext.softnms(torch.zeros(1), scale=2)
    pooling = dict(aligned_height=1, aligned_width=1, spatial_scale=1.0)
    pooling |= dict(sampling_ratio=0, pool_mode=0, aligned=True)
    with pytest.raises(NotImplementedError, match="roi_align with pool_mode='max'"):
        mmcv_ext.roi_align_forward(*[torch.zeros(1)] * 5, **pooling)


def test_modules_are_no_operators():
    assert not hasattr(mmcv_ext, "__path__")
