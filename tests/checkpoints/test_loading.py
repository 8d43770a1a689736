"""Weights are loaded where they fit a model; what does not fit is found, and said."""

import pytest
import torch

from mmlitehrnet.apis.model import network_from_config
from mmlitehrnet.checkpoints import (
    CheckpointError,
    check_weights,
    compare_weights,
    explain,
    load_weights,
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


def test_a_fitting_checkpoint_is_loaded(model):
    other = pose_model()
    parallel = {f"module.{name}": value for name, value in model.state_dict().items()}
    mismatch = load_weights(other, dict(state_dict=parallel))
    assert mismatch.complete and not mismatch.unexpected
    loaded = other.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(loaded[name], value), name


@pytest.mark.parametrize(
    "other, words",
    [
        (
            dict(joints=16),
            r"trained for 16 keypoints, the model has 17: set "
            r"model\.head\.out_channels=16.*load_from.*'a_run_2026'",
        ),
        (dict(widths=(12, 24, 36, 48)), r"another size, backbone\.\S+ of \(.*widths"),
        (dict(backbone="DiteHRNet"), r"lacks \d+ of the model's .*backb"),
    ],
)
def test_the_difference_to_another_network_is_said(other, words, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    meta, weights = dict(experiment_name="a_run_2026"), pose_model(**other).state_dict()
    with pytest.raises(CheckpointError, match=words):
        load_weights(model, dict(state_dict=weights, meta=meta))
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_network_of_other_names_is_named(model):
    resnet = {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}
    with pytest.raises(CheckpointError, match=r"of another network.*conv1\.weight"):
        load_weights(model, resnet)


def test_only_the_head_may_be_another_where_it_is_trained(model):
    source = pose_model(joints=16).state_dict()
    mismatch = check_weights(model, source, "a.pth", new_head=True)
    assert set(mismatch.shapes) == {"head.final_layer.weight", "head.final_layer.bias"}
    said = explain(mismatch, new_head=True)  # to who uses load_from
    assert "training starts the head afresh" in said and "load_from" not in said
    wider = pose_model(widths=(12, 24, 36, 48)).state_dict()
    with pytest.raises(CheckpointError, match="other widths"):
        check_weights(model, wider, "a.pth", new_head=True)


def test_missing_and_unexpected_tensors_are_named(model):
    state = dict(model.state_dict())
    assert compare_weights(model, state).exact
    value = state.pop("head.final_layer.bias")
    with pytest.raises(CheckpointError, match=r"lacks 1 .*head\.final_layer\.bias"):
        load_weights(pose_model(), state)
    state.update({"head.final_layer.bias": value, "ema_steps": value})
    mismatch = load_weights(pose_model(), state)
    assert mismatch.complete and not mismatch.exact
    assert "1 of its tensors have no place in the model: ema" in explain(mismatch)
