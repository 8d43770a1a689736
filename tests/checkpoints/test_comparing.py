"""What of a checkpoint does not fit a model is found, and said."""

import pytest
import torch
from torch import nn

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import (
    CheckpointError,
    compare_weights,
    explain,
    load_weights,
    weights_of,
)
from tests.robustness.recipes import WIDTHS, small_config


def pose_model(backbone="LiteHRNet", joints=17, widths=WIDTHS):
    cfg = small_config("pose", "data", backbone)
    cfg.model.head.out_channels = joints
    if widths != WIDTHS:
        channels = [widths[:count] for count in (2, 3, 4)]
        cfg.model.backbone.extra.stages_spec.num_channels = channels
        cfg.model.head.in_channels = widths[0]
    return network_from_config(cfg)


@pytest.fixture(scope="module")
def model():
    return pose_model()


def checkpoint_of(model):
    return dict(state_dict=model.state_dict(), meta=dict(experiment_name="a_run_2026"))


def test_a_fitting_checkpoint_is_loaded(model):
    other = pose_model()
    parallel = {f"module.{name}": value for name, value in model.state_dict().items()}
    mismatch = load_weights(other, dict(state_dict=parallel))
    assert mismatch.complete and not mismatch.unexpected
    loaded = other.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(loaded[name], value), name


def test_wrong_number_of_keypoints(model):
    checkpoint = checkpoint_of(pose_model(joints=16))
    with pytest.raises(
        CheckpointError,
        match=r"trained for 16 keypoints, the model has 17: set "
        r"model\.head\.out_channels=16.*load_from.*'a_run_2026'",
    ):
        load_weights(model, checkpoint)


def test_another_head_is_allowed_where_it_is_trained(model):
    target = pose_model()
    head = target.head.final_layer.weight.clone()
    source = pose_model(joints=16)
    mismatch = load_weights(target, checkpoint_of(source), new_head=True)
    assert set(mismatch.shapes) == {"head.final_layer.weight", "head.final_layer.bias"}
    assert torch.equal(target.head.final_layer.weight, head)
    stem = "backbone.stem.conv1.conv.weight"
    assert torch.equal(target.state_dict()[stem], source.state_dict()[stem])


def test_wrong_width(model):
    checkpoint = checkpoint_of(pose_model(widths=(12, 24, 36, 48)))
    with pytest.raises(CheckpointError, match=r"of another size, backbone\.\S+ of \(.*"
                       r"other widths"):  # fmt: skip
        load_weights(model, checkpoint)
    # Nor is that a head that may differ.
    with pytest.raises(CheckpointError, match="other widths"):
        load_weights(model, checkpoint, new_head=True)


def test_wrong_network(model):
    with pytest.raises(CheckpointError, match=r"of another network.*conv1\.weight"):
        load_weights(model, nn.Sequential().state_dict() | _resnet_like())
    with pytest.raises(CheckpointError, match=r"lacks \d+ of the model's .*backb"):
        load_weights(model, checkpoint_of(pose_model("DiteHRNet")))


def _resnet_like():
    return {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}


def test_missing_and_unexpected_tensors_are_named(model):
    state = model.state_dict()
    value = state.pop("head.final_layer.bias")
    with pytest.raises(CheckpointError, match=r"lacks 1 .*head\.final_layer\.bias"):
        load_weights(pose_model(), state)
    state.update({"head.final_layer.bias": value, "ema_steps": value})
    mismatch = load_weights(pose_model(), state)
    assert mismatch.complete and mismatch.unexpected == ("ema_steps",)


def test_only_an_exact_fit_is_one(model):
    weights = dict(model.state_dict())
    assert compare_weights(model, weights).exact
    more = {**weights, "head.final_layer.biases": torch.ones(17)}
    found = compare_weights(model, more)
    assert found.complete and not found.exact
    assert "1 of its tensors have no place in the model: head.final" in explain(found)
    del weights["head.final_layer.bias"]
    assert not compare_weights(model, weights).complete


def test_comparing_leaves_the_model_as_it_is(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    compare_weights(model, {k: v + 1 for k, v in before.items()})
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_old_names_are_known_to_the_model(model):
    """MMPose 0.x's names, which MMPose itself translates."""
    state = {
        name.replace("head.final_layer", "keypoint_head.final_layer"): value
        for name, value in model.state_dict().items()
    }
    assert compare_weights(model, weights_of(state)).complete
