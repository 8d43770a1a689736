"""MMEngine's checkpoints load on every stack, and harmful files do not on new ones."""

import io
import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

import mmlitehrnet  # noqa: F401  Allows the checkpoints.
from mmlitehrnet.compat.checkpoints import (
    METHODS,
    NUMBERS,
    NUMPY_MODULES,
    get_method,
    one_cycle,
)
from tests.running import run_python

needs_weights_only = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version("2.6"), reason="needs torch >= 2.6"
)


def checkpoint():
    """What MMEngine's Runner saves, in the small."""
    model = torch.nn.Conv2d(3, 4, 3)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    history = HistoryBuffer()
    for value in (1.0, 2.5, 0.5):
        history.update(value)
    arrays = {number: np.arange(6).reshape(2, 3).astype(number) for number in NUMBERS}
    return dict(
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        message_hub=dict(
            log_scalars={"train/loss": history},
            runtime_info=dict(iter=3, best_score=np.float64(0.5)),
        ),
        meta=dict(dataset_meta=dict(name="coco", **arrays), seed=0, epoch=1),
    )


def saved(value) -> bytes:
    """A file in the older format, which is one piece and can be changed."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.mark.parametrize("numpy", NUMPY_MODULES)
def test_checkpoints_load_whichever_numpy_wrote_them(numpy):
    data = saved(checkpoint())
    (here,) = (name for name in NUMPY_MODULES if f"c{name}\n".encode() in data)
    data = data.replace(f"c{here}\n".encode(), f"c{numpy}\n".encode())
    loaded = torch.load(io.BytesIO(data))
    history = loaded["message_hub"]["log_scalars"]["train/loss"]
    assert history.min() == 0.5 and history.statistics("max") == 2.5
    assert history.current() == 0.5 and history.mean() == pytest.approx(4 / 3)
    assert loaded["message_hub"]["runtime_info"]["best_score"] == 0.5
    for number in NUMBERS:
        array = loaded["meta"]["dataset_meta"][number]
        assert type(array) is np.ndarray and array.dtype == number
        assert array.tolist() == np.arange(6).reshape(2, 3).astype(number).tolist()


def test_methods_of_the_table_are_all_that_a_file_can_get():
    for owner, (kind, names) in METHODS.items():
        for name in names:
            assert get_method(owner, name) is getattr(kind, name)
    for owner, name in [
        (one_cycle, "step"),
        (one_cycle, "min"),
        (METHODS[one_cycle][0], "_annealing_cos"),
        (HistoryBuffer, "__init__"),
        (HistoryBuffer, "__globals__"),
        (np, "load"),
        (HistoryBuffer(), "min"),
        (type("HistoryBuffer", (), {"min": os.system}), "min"),
    ]:
        with pytest.raises(pickle.UnpicklingError, match=f" only; .* {name!r} of"):
            get_method(owner, name)
    with pytest.raises(pickle.UnpicklingError, match="may not call"):
        one_cycle()


class Call:
    """Pickled as a call, and as a state that its result is filled with."""

    def __init__(self, function, *arguments, **state):
        self.call = function, arguments, *state.values()

    def __reduce__(self):
        return self.call


HARM = {
    "system": lambda path: Call(os.system, f"touch {path}"),
    "eval": lambda path: Call(eval, f"open({str(path)!r}, 'w')"),
    "getattr of another class": lambda path: Call(
        getattr, np.ndarray, "__subclasses__"
    ),
    "getattr of something else": lambda path: Call(getattr, HistoryBuffer, "__init__"),
    "memory as objects": lambda path: Call(np.ndarray, (1,), "O", b"\1" * 8),
    "array of objects": lambda path: np.array([{}]),
    "array of records": lambda path: np.zeros(2, [("a", "f8")]),
    "masked array": lambda path: np.ma.zeros(2),
    "schedule called": lambda path: Call(METHODS[one_cycle][0], object, "lr", 1.0),
    "statistic called": lambda path: Call(HistoryBuffer.mean, HistoryBuffer([1], [1])),
}


@needs_weights_only
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", HARM)
def test_harmful_files_are_refused(kind, zipped, tmp_path):
    harmed = tmp_path / "harmed"
    file = tmp_path / "checkpoint.pth"
    value = dict(checkpoint(), hook=HARM[kind](harmed))
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file)
    assert not harmed.exists()


@needs_weights_only
@pytest.mark.parametrize("code", NUMBERS)
def test_files_cannot_change_the_types_of_numbers(code):
    before = np.dtype(code).__reduce__()
    for state in (
        (3, ">", None, None, None, -1, -1, 0),
        (3, "<", (np.dtype("f8"), (1000,)), None, None, -1, -1, 0),
        (3, "<", None, ("a",), {"a": (np.dtype("f8"), 1000)}, -1, -1, 63),
    ):
        file = io.BytesIO()
        torch.save(Call(np.dtype, code, False, True, state=state), file)
        file.seek(0)
        assert torch.load(file) is np.dtype(code)
        assert np.dtype(code).__reduce__() == before


LOAD = """
import sys, torch, mmengine.runner
{}
print(torch.load(sys.argv[1])["meta"]["epoch"])
"""


@needs_weights_only
def test_without_the_package_pytorch_refuses_checkpoints(tmp_path):
    torch.save(checkpoint(), tmp_path / "checkpoint.pth")
    run = ["-c", LOAD.format(""), tmp_path / "checkpoint.pth"]
    refused = run_python(*run, check=False)
    assert refused.returncode != 0 and "Weights only load failed" in refused.stdout
    run[1] = LOAD.format("import mmlitehrnet")
    assert run_python(*run).stdout.split()[-1] == "1"


ADDED = """
import torch, mmengine.runner
before = set(torch.serialization.get_safe_globals())
import mmlitehrnet
for added in set(torch.serialization.get_safe_globals()) - before:
    print(added[1] if isinstance(added, tuple) else added.__qualname__)
"""


@needs_weights_only
def test_what_is_allowed_is_short_and_known():
    assert set(run_python("-c", ADDED).stdout.splitlines()) == {
        *(f"{module}._reconstruct" for module in NUMPY_MODULES),
        *(f"{module}.scalar" for module in NUMPY_MODULES),
        "numpy.ndarray",
        "numpy.dtype",
        "ndarray",
        *(f"dtype {number}" for number in NUMBERS),
        "HistoryBuffer",
        "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler",
        "builtins.getattr",
    }
