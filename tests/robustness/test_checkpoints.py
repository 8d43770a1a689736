"""Checkpoints of others: what they hold is not run, what does not fit is said."""

import os
import pickle
import re

import numpy as np
import pytest
import torch
from torch import nn

from mmlitehrnet.checkpoints import (
    CheckpointError,
    compare_weights,
    load_checkpoint,
    load_weights,
    weights_of,
)
from tests.robustness.recipes import WIDTHS, small_config
from tests.robustness.tiny_runner import Line, tiny_runner
from tests.running import run_python


class Evil:
    """A pickle that runs a command when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class EvilAttribute:
    """A pickle that uses `getattr`, which the logs of MMEngine do, too."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return getattr, (dict, "get")


class EvilCode:
    """A pickle that evaluates a string."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return eval, (f"open({str(self.path)!r}, 'w')",)


ATTACKS = [Evil, EvilAttribute, EvilCode]
POSE = "configs/pose/litehrnet_18_coco_256x192.py"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint as MMEngine writes it, with optimizer and logs."""
    folder = tmp_path_factory.mktemp("saved")
    runner = tiny_runner(folder, iters=2)
    runner.message_hub.update_info("scores", dict(best=np.float64(0.5), all=np.eye(2)))
    runner.train()
    return folder / "iter_2.pth"


def test_checkpoints_of_mmengine_are_read_as_a_whole(saved):
    ours, theirs = load_checkpoint(saved), torch.load(saved, weights_only=False)
    assert ours.keys() == theirs.keys()
    for name, value in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], value)
    assert ours["meta"] == theirs["meta"]
    hub = ours["message_hub"]
    assert np.array_equal(hub["runtime_info"]["scores"]["all"], np.eye(2))
    losses = hub["log_scalars"]["train/loss"]
    assert (
        losses.current() == theirs["message_hub"]["log_scalars"]["train/loss"].current()
    )
    # PyTorch's own weights-only loading, without this package, refuses them.
    code = f"import torch; torch.load({str(saved)!r}, weights_only=True)"
    done = run_python("-c", code, check=False)
    assert done.returncode != 0 and "UnpicklingError" in done.stdout


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malicious_pickle_runs_nothing(attack, legacy, tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    content = dict(state_dict=nn.Linear(2, 2).state_dict(), meta=attack(mark))
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"more than weights.*Nothing of it"):
        load_checkpoint(path)
    assert not mark.exists()
    if attack is Evil:
        # It would have.
        load_checkpoint(path, trust=True)
        assert mark.exists()


def test_a_bare_pickle_and_a_torchscript_file_are_refused(tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Evil(mark), protocol=2))
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not mark.exists()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with pytest.raises(CheckpointError, match="TorchScript"):
        load_checkpoint(path)


def test_the_tools_run_nothing_of_a_checkpoint(tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    torch.save(dict(state_dict=Evil(mark)), path)
    done = run_python(
        "tools/export_onnx.py", POSE, path, "--out", tmp_path / "x.onnx", check=False
    )
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "holds more than weights" in done.stdout
    assert not mark.exists() and not (tmp_path / "x.onnx").exists()


def test_a_run_executes_nothing_of_a_checkpoint_that_is_named(
    saved, tmp_path, monkeypatch
):
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    torch.save({**load_checkpoint(saved), "extra": Evil(mark)}, path)
    for resume in (False, True):
        runner = tiny_runner(tmp_path / "work", load_from=str(path), resume=resume)
        with pytest.raises(CheckpointError, match=r"more .*trust_checkpoint=True"):
            runner.train()
        assert not mark.exists()
    trusting = dict(trust_checkpoint=True)
    # PyTorch from 2.6 on wants to be told, too; before, it does not know this variable.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    tiny_runner(tmp_path / "work", trusting, load_from=str(path)).train()
    assert mark.exists()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"hello, world", "no checkpoint of PyTorch"),
        (b"PK\x03\x04 and no more", "truncated or damaged"),
        (b"\x80\x02 and no more", "cannot be read|more than weights"),
    ],
)
def test_other_files_are_named(content, message, tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"model.pth.*({message})"):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="gone.pth: there is no such file"):
        load_checkpoint(tmp_path / "gone.pth")


@pytest.mark.parametrize("content", [{}, {"meta": {}}, [1, 2], {"state_dict": {}}])
def test_a_checkpoint_without_weights_is_named(content, tmp_path):
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"model\.pth holds no weights"):
        load_weights(Line(), tmp_path / "model.pth")


# ------------------------------------------------------------------ wrong checkpoints
def pose_model(backbone="LiteHRNet", joints=17, widths=WIDTHS):
    from mmlitehrnet.apis.model import network_from_config

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
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


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


# ------------------------------------------------------------------------ in a run
def save(path, model):
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def run_from(path, tmp_path, capfd=None, model=None, hook=None, **options):
    runner = tiny_runner(
        tmp_path / "work", hook, model or Line(), iters=1, load_from=path, **options
    )
    runner.train()
    return "".join(capfd.readouterr()) if capfd else ""


def test_load_from_another_head_is_reported(tmp_path, capfd):
    path = save(tmp_path / "model.pth", Line(outputs=3))
    log = run_from(path, tmp_path, capfd)
    assert re.search(r"model\.pth: 2 tensors are taken; 2 tensors .* head\.weight", log)


def test_load_from_another_backbone_stops(tmp_path, capfd):
    path = save(tmp_path / "model.pth", Line(width=5))
    with pytest.raises(CheckpointError, match=r"backbone\.weight of \(5, 4\).*parti"):
        run_from(path, tmp_path)
    log = run_from(path, tmp_path, capfd, hook=dict(partial_weights=True))
    assert "does not fit the model" in log


def test_resuming_from_mere_weights_stops(tmp_path):
    path = save(tmp_path / "model.pth", Line())
    with pytest.raises(CheckpointError, match=r"cannot be resumed.*use load_from"):
        run_from(path, tmp_path, resume=True)


@pytest.mark.parametrize("kind", ["call", "object"])
def test_arrays_of_addresses_are_refused(kind, tmp_path):
    """``numpy.ndarray`` would take bytes of the file for addresses of objects."""

    class Array:
        def __reduce__(self):
            return np.ndarray, ((1,), "O", b"\1" * 8)

    path = tmp_path / "evil.pth"
    evil = Array() if kind == "call" else np.array([1, "a"], dtype=object)
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": evil}, path)
    with pytest.raises(CheckpointError, match="holds more than weights"):
        load_checkpoint(path)


def test_a_run_with_a_one_cycle_schedule_goes_on(tmp_path):
    """MMEngine stores the schedule's curve, a method, with its state."""
    schedule = dict(type="OneCycleLR", eta_max=0.01, total_steps=8, by_epoch=False)
    tiny_runner(tmp_path, iters=4, param_scheduler=schedule).train()
    path = tmp_path / "iter_4.pth"
    (state,) = load_checkpoint(path)["param_schedulers"]
    assert state["anneal_func"](0.0, 1.0, 1.0) == 1.0
    runner = tiny_runner(
        tmp_path, param_scheduler=schedule, resume=True, load_from=str(path)
    )
    runner.train()
    assert runner.iter == 8
