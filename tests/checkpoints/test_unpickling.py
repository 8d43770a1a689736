"""What MMEngine saves is read on every stack; no checkpoint runs code."""

import collections
import datetime
import os
import pathlib
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.utils import digit_version

import mmlitehrnet  # noqa: F401  Lets PyTorch load the checkpoints, too.
from mmlitehrnet.checkpoints import (
    CheckpointError,
    UntrustedCheckpointError,
    load_checkpoint,
)
from mmlitehrnet.checkpoints.unpickling import (
    GLOBALS,
    META_GLOBALS,
    METHODS,
    NUMBERS,
    NUMPY_MODULES,
    get_method,
    one_cycle,
)
from tests.running import run_python

WEIGHTS_ONLY = digit_version(torch.__version__) >= digit_version("2.6")
needs_weights_only = pytest.mark.skipif(not WEIGHTS_ONLY, reason="needs torch >= 2.6")

#: Who reads a file -> by what, and the error where it refuses one. MMEngine loads by
#: PyTorch's function, which trusts every file before 2.6.
READERS = {"ours": (load_checkpoint, UntrustedCheckpointError)}
if WEIGHTS_ONLY:
    READERS["PyTorch"] = (torch.load, pickle.UnpicklingError)


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


def written_by(numpy, path):
    """Write a checkpoint as a NumPy of another version does."""
    # The older format is one piece and can be changed.
    torch.save(checkpoint(), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    (here,) = (name for name in NUMPY_MODULES if f"c{name}\n".encode() in data)
    path.write_bytes(data.replace(f"c{here}\n".encode(), f"c{numpy}\n".encode()))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("numpy", NUMPY_MODULES)
def test_checkpoints_load_whichever_numpy_wrote_them(numpy, reader, tmp_path):
    written_by(numpy, tmp_path / "checkpoint.pth")
    loaded = READERS[reader][0](tmp_path / "checkpoint.pth")
    history = loaded["message_hub"]["log_scalars"]["train/loss"]
    assert history.min() == 0.5 and history.statistics("max") == 2.5
    assert history.current() == 0.5 and history.mean() == pytest.approx(4 / 3)
    assert loaded["message_hub"]["runtime_info"]["best_score"] == 0.5
    for number in NUMBERS:
        array = loaded["meta"]["dataset_meta"][number]
        assert isinstance(array, np.ndarray) and array.dtype == number
        assert array.tolist() == np.arange(6).reshape(2, 3).astype(number).tolist()


META = {
    "config": ConfigDict(source=dict(camera="left"), list=[ConfigDict(year=2024)]),
    "ordered": collections.OrderedDict(b=1, a=2),
    "default": collections.defaultdict(list, a=[1]),
    "path": Path("/data/coco"),
    "other system": pathlib.PureWindowsPath("c:/data"),
    "when": datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC),
    "how long": datetime.timedelta(days=1),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", META)
def test_what_users_keep_in_meta_is_read(name, reader, tmp_path):
    value = dict(checkpoint(), meta={name: META[name]})
    torch.save(value, tmp_path / "checkpoint.pth")
    read = READERS[reader][0](tmp_path / "checkpoint.pth")["meta"][name]
    assert read == META[name]
    if name == "config":
        assert type(read) is type(read["list"][0]) is dict
    elif name == "default":
        assert type(read) is dict
    else:
        assert type(read) is type(META[name])


def test_methods_of_the_table_are_all_that_a_file_can_get():
    for owner, (kind, names) in METHODS.items():
        for name in names:
            assert get_method(owner, name) is getattr(kind, name)
    for owner, name in [
        (one_cycle, "step"),
        (one_cycle, "min"),
        (OneCycleParamScheduler, "_annealing_cos"),
        (HistoryBuffer, "__init__"),
        (HistoryBuffer, "__globals__"),
        (np, "load"),
        (HistoryBuffer(), "min"),
        (type("HistoryBuffer", (), {"min": os.system}), "min"),
    ]:
        with pytest.raises(pickle.UnpicklingError, match=f" only; .* {name!r} of"):
            get_method(owner, name)


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
    "array of dates": lambda path: np.array(["2026-01-02"], "M8[D]"),
    "array of records in texts": lambda path: Call(
        np.dtype, "U4", state=(3, "<", None, ("a",), {"a": (np.dtype("O"), 0)})
    ),
    "call of a defaultdict": lambda path: collections.defaultdict(Path(path).touch),
    "masked array": lambda path: np.ma.zeros(2),
    "schedule called": lambda path: Call(OneCycleParamScheduler, object, "lr", 1.0),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", HARM)
@pytest.mark.parametrize("reader", READERS)
def test_harmful_files_are_refused(reader, kind, zipped, tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "checkpoint.pth"
    value = dict(checkpoint(), hook=HARM[kind](harmed))
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    read, error = READERS[reader]
    with pytest.raises(error):
        read(path)
    assert not harmed.exists()


@pytest.mark.parametrize("kind", ["system", "eval"])
def test_they_would_have_done_harm(kind, tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "checkpoint.pth"
    torch.save(dict(hook=HARM[kind](harmed)), path)
    load_checkpoint(path, trust=True)
    assert harmed.exists()


def test_a_bare_pickle_is_refused(tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(HARM["system"](harmed), protocol=2))
    with pytest.raises(UntrustedCheckpointError, match=r"system.*Nothing of it was ru"):
        load_checkpoint(path)
    assert not harmed.exists()


@pytest.mark.parametrize("code", [*NUMBERS, "U4"])
@pytest.mark.parametrize("reader", READERS)
def test_files_cannot_change_what_arrays_consist_of(reader, code, tmp_path):
    read, error = READERS[reader]
    before = np.dtype(code).__reduce__()
    for state in (
        (3, "<", (np.dtype("f8"), (1000,)), None, None, -1, -1, 0),
        (3, "<", None, ("a",), {"a": (np.dtype("f8"), 1000)}, -1, -1, 63),
        (3, "nonsense", None, None, None, -1, -1, 0),
        (3,),
    ):
        path = tmp_path / "checkpoint.pth"
        torch.save(Call(np.dtype, code, False, True, state=state), path)
        with pytest.raises((error, CheckpointError)):
            read(path)
        assert np.dtype(code).__reduce__() == before
    larger = (3, "<", None, None, None, 4000, 4, 8)  # than its texts are
    torch.save(Call(np.dtype, code, False, True, state=larger), path)
    assert read(path).dtype.itemsize == np.dtype(code).itemsize


ARRAYS = {
    "other byte order": np.arange(6, dtype=">f4").reshape(2, 3),
    "other byte order, integers": np.arange(-3, 3, dtype=">i8"),
    "texts": np.array([["left", "right"], ["", "\u00e4\u4eba"]]),
    "texts in the other byte order": np.array(["left"], ">U4"),
    "bytes": np.array([b"left", b"right"]),
    "columns first": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "no numbers": np.zeros((0, 3)),
    "one number": np.array(3.5),
    "scalar": np.float32(3.5),
    "text": np.str_("left"),
    "empty text": np.str_(""),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("reader", READERS)
def test_arrays_are_read_and_saved_again_as_they_are(reader, zipped, tmp_path):
    path, kept = tmp_path / "checkpoint.pth", dict(meta=ARRAYS)
    for load in (READERS[reader][0], partial(load_checkpoint, trust=True)):
        torch.save(kept, path, _use_new_zipfile_serialization=zipped)
        kept = load(path)
        for name, expected in ARRAYS.items():
            found = kept["meta"][name]
            assert np.array_equal(found, expected), name
            # NumPy itself turns arrays that it reads into the machine's byte order.
            assert found.dtype == expected.dtype.newbyteorder("="), name
    # The second one was read by NumPy alone.
    assert all(type(kept["meta"][k]) is type(v) for k, v in ARRAYS.items())


@pytest.mark.parametrize("reader", READERS)
def test_types_of_arrays_are_read(reader, tmp_path):
    path = tmp_path / "checkpoint.pth"
    for dtype in (np.dtype("f4"), np.dtype(">i2"), np.dtype("U7")):
        torch.save(dict(meta=dict(dtype=dtype)), path)
        read = READERS[reader][0](path)
        assert read["meta"]["dtype"] == dtype
        torch.save(read, path)
        assert load_checkpoint(path, trust=True)["meta"]["dtype"] == dtype


def test_what_our_reader_allows_is_harmless():
    """Names that are new in the table are to be thought about here."""
    modules = {name.rpartition(".")[0] for name in GLOBALS}
    assert modules == {
        "_codecs",
        "builtins",
        "collections",
        "datetime",
        "mmengine.config.config",
        "mmengine.logging.history_buffer",
        "mmengine.optim.scheduler.param_scheduler",
        "numpy",
        *NUMPY_MODULES,
        "pathlib",
        "pathlib._local",
        "torch",
        "torch._utils",
        "torch.nn.parameter",
    }
    for name in ("eval", "exec", "open", "compile", "__import__", "setattr"):
        assert f"builtins.{name}" not in GLOBALS
    assert GLOBALS["builtins.getattr"] is get_method


@needs_weights_only
def test_pytorch_calls_no_method_that_a_file_names(tmp_path):
    history = HistoryBuffer([1], [1])
    torch.save(Call(HistoryBuffer.mean, history), tmp_path / "checkpoint.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "checkpoint.pth")


IN_A_NEW_PROCESS = """
import sys, pickle, torch, mmengine.runner
before = set(torch.serialization.get_safe_globals())
try:
    torch.load(sys.argv[1])
except pickle.UnpicklingError as error:
    print(str(error).split(".")[0])
import mmlitehrnet
print("epoch", torch.load(sys.argv[1])["meta"]["epoch"])
for added in set(torch.serialization.get_safe_globals()) - before:
    print(added[1])
"""


@needs_weights_only
def test_what_pytorch_is_told_to_allow_is_known(tmp_path):
    torch.save(checkpoint(), tmp_path / "checkpoint.pth")
    run = run_python(
        "-W", "ignore", "-c", IN_A_NEW_PROCESS, tmp_path / "checkpoint.pth"
    )
    refused, loaded, *added = run.stdout.splitlines()
    assert "Weights only load failed" in refused and loaded == "epoch 1"
    assert set(added) == {
        *META_GLOBALS,
        "mmengine.config.config.ConfigDict",
        *(f"{module}._reconstruct" for module in NUMPY_MODULES),
        *(f"{module}.scalar" for module in NUMPY_MODULES),
        "numpy.ndarray",
        "numpy.dtype",
        "ndarray",
        "mmengine.logging.history_buffer.HistoryBuffer",
        "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler",
        "builtins.bytes",
        "builtins.getattr",
    }
