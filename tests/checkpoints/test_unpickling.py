"""What MMEngine saves is read as it is; nothing else of a checkpoint comes to life."""

import collections
import datetime
import pathlib
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, MMLogger

from mmlitehrnet.checkpoints import CheckpointError, load_checkpoint, weights_of
from tests.checkpoints.files import ACTING, HARM, Call, write_pdparams

NUMBERS = ("?", *np.typecodes["AllInteger"], *"efdFD")
NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
WEIGHTS = {"backbone.a": torch.rand(2, 3), "head.b": torch.tensor(3)}


def write_legacy(path, content):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def write_bare(path, content, protocol=4):
    """A pickle and nothing else, as PaddlePaddle's."""
    arrays = {name: value.numpy() for name, value in content["state_dict"].items()}
    write_pdparams(path, {**content, **arrays}, protocol)


PYTORCHS = dict(
    zip=lambda path, content: torch.save(content, path), legacy=write_legacy
)
WRITERS = dict(PYTORCHS, pickle=partial(write_bare, protocol=2), pickle_4=write_bare)
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
pytorchs = pytest.mark.parametrize("write", PYTORCHS.values(), ids=PYTORCHS)


@pytest.mark.parametrize("numpy", NUMPY_MODULES)
def test_checkpoints_load_whichever_numpy_wrote_them(numpy, tmp_path, capfd):
    path, history = tmp_path / "checkpoint.pth", HistoryBuffer()
    for value in (1.0, 2.5, 0.5):
        history.update(value)
    arrays = {number: np.arange(6).reshape(2, 3).astype(number) for number in NUMBERS}
    write_legacy(path, dict(arrays, history=history, score=np.float64(0.5)))
    data = path.read_bytes()  # one piece, which can be changed
    (here,) = (name for name in NUMPY_MODULES if f"c{name}\n".encode() in data)
    path.write_bytes(data.replace(f"c{here}\n".encode(), f"c{numpy}\n".encode()))
    loaded = load_checkpoint(path)
    assert loaded["history"].statistics("max") == 2.5 and loaded["score"] == 0.5
    for number, expected in arrays.items():
        assert loaded[number].dtype == number
        assert loaded[number].tolist() == expected.tolist()
    assert "left out" not in "".join(capfd.readouterr())


META = {
    "config": ConfigDict(source=dict(camera="left"), list=[ConfigDict(year=2024)]),
    "ordered": collections.OrderedDict(b=1, a=2),
    "default": collections.defaultdict(list, a=[1]),
    "path": Path("/data/coco"),
    "other system": pathlib.PureWindowsPath("c:/data"),
    "when": datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC),
    "how long": datetime.timedelta(days=1),
    "several": {1, 2},
    "bytes": b"\x00\xff",
}


@pytorchs
def test_what_users_keep_in_meta_is_read(write, tmp_path):
    write(tmp_path / "a.pth", dict(state_dict=WEIGHTS, meta=META))
    read = load_checkpoint(tmp_path / "a.pth")["meta"]
    assert read == META
    assert type(read["config"]["list"][0]) is dict
    kinds = dict(config=dict, default=dict)
    for name, value in META.items():
        assert type(read[name]) is kinds.get(name, type(value)), name


ARRAYS = {
    "other byte order": np.arange(6, dtype=">f4").reshape(2, 3),
    "texts": np.array([["left", "right"], ["", "\u00e4\u4eba"]]),
    "texts in the other byte order": np.array(["left"], ">U4"),
    "bytes": np.array([b"left", b"right"]),
    "columns first": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "no numbers": np.zeros((0, 3)),
    "one number": np.array(3.5),
    "scalar": np.float32(3.5),
    "text": np.str_("left"),
    "empty text": np.str_(""),
    "type": np.dtype(">i2"),
    "type of texts": np.dtype("U7"),
}


@pytorchs
def test_arrays_are_read_as_they_are(write, tmp_path):
    write(tmp_path / "a.pth", dict(meta=ARRAYS))
    meta = load_checkpoint(tmp_path / "a.pth")["meta"]
    # NumPy itself turns arrays that it reads into the machine's byte order.
    own = {name: pickle.loads(pickle.dumps(value)) for name, value in ARRAYS.items()}
    for name, expected in own.items():
        assert type(meta[name]) is type(expected), name
        if "type" in name:
            assert meta[name] == expected
        else:
            assert np.array_equal(meta[name], expected), name
            assert meta[name].dtype == expected.dtype, name


@writers
@pytest.mark.parametrize("kind", HARM)
def test_harm_is_left_out_and_weights_are_exact(kind, write, tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "checkpoint"
    harm = HARM[kind](harmed)
    defaults = HistoryBuffer.mean.__defaults__
    write(path, dict(state_dict=WEIGHTS, hook=harm, list=[harm], dict=dict(a=harm)))
    weights = weights_of(load_checkpoint(path, raw=True))
    assert weights.keys() == WEIGHTS.keys()
    assert all(np.array_equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert not harmed.exists()
    assert HistoryBuffer.mean.__defaults__ == defaults


@pytest.mark.parametrize("kind", ACTING)
def test_it_would_have_done_harm(kind, tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "checkpoint.pth"
    torch.save(dict(hook=HARM[kind](harmed)), path)
    torch.load(path, weights_only=False)
    assert harmed.exists()


def test_what_is_left_out_is_said(tmp_path, capfd):
    content = dict(state_dict=WEIGHTS, a=HARM["system"]("x"), b=torch.nn.ReLU())
    torch.save(content, tmp_path / "a.pth")
    MMLogger.get_instance(str(tmp_path))  # which prints where it is captured
    assert load_checkpoint(tmp_path / "a.pth").keys() == {"state_dict"}
    said = "a.pth: left out what is not data: posix.system, torch.nn.modules.activation"
    assert said in "".join(capfd.readouterr())


#: Programs of a pickle; PATH stands for a file that they would make.
PROGRAMS = {
    "class made and called": b"(S'touch PATH'\niposix\nsystem\n.",
    "class taken and called": b"(cposix\nsystem\nS'touch PATH'\no.",
    "new object": b"\x80\x02cposix\nsystem\nS'touch PATH'\n\x85\x81.",
    "new object by names": b"\x80\x04cposix\nsystem\nS'touch PATH'\n\x85}\x92.",
    "state of a class": b"\x80\x02cmmengine.logging.history_buffer\nHistoryBuffer\n"
    b"N}S'mean'\nNs\x86b.",
    "state of a function": b"\x80\x02ctorch._utils\n_rebuild_tensor\n"
    b"N}S'__defaults__'\nNs\x86b.",
    "methods of all logs": b"\x80\x02cmmengine.logging.history_buffer\nHistoryBuffer\n"
    b")\x81}S'statistics_methods'\n}S'mean'\nNssb.",
    "class extended": b"\x80\x02ccollections\ndeque\nK\x01a.",
    "number that stands for a name": b"\x80\x02\x82\x01)R.",
    "module of an id": b"\x80\x02cos\nsystem\nS'touch PATH'\n\x85Q.",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_operation_of_a_pickle_runs_or_changes_anything(name, tmp_path):
    harmed, path = tmp_path / "harmed", tmp_path / "a.pdparams"
    program = PROGRAMS[name].replace(b"PATH", str(harmed).encode())
    path.write_bytes(program if program[:1] == b"\x80" else b"\x80\x02" + program)
    before = dict(vars(HistoryBuffer)), torch._utils._rebuild_tensor.__defaults__
    methods = dict(HistoryBuffer._statistics_methods)
    with pytest.raises(CheckpointError):  # None of them holds weights.
        weights_of(load_checkpoint(path, raw=True))
    after = dict(vars(HistoryBuffer)), torch._utils._rebuild_tensor.__defaults__
    assert not harmed.exists() and before == after
    assert methods.items() <= HistoryBuffer._statistics_methods.items()


def test_what_a_file_has_made_is_not_called(tmp_path):
    """PyTorch's devices can be called, for example."""
    device = b"ctorch\ndevice\nX\x03\x00\x00\x00cpu\x85R"
    program = b"\x80\x02" + device + b"ccollections\nOrderedDict\n\x85R."
    (tmp_path / "a.pdparams").write_bytes(program)
    with pytest.raises(CheckpointError, match=r"it calls device\(type='cpu'\)"):
        load_checkpoint(tmp_path / "a.pdparams")


@pytest.mark.parametrize("code", ["?", "f", "U4"])
def test_files_cannot_change_what_arrays_consist_of(code, tmp_path):
    before, path = np.dtype(code).__reduce__(), tmp_path / "checkpoint.pth"
    for state in (
        (3, "<", (np.dtype("f8"), (1000,)), None, None, -1, -1, 0),
        (3, "<", None, ("a",), {"a": (np.dtype("f8"), 1000)}, -1, -1, 63),
        (3, "nonsense", None, None, None, -1, -1, 0),
        (3,),
    ):
        made = Call(np.dtype, code, False, True, state=state)
        torch.save(dict(made=made, twice=made), path)
        assert load_checkpoint(path) == {}
        assert np.dtype(code).__reduce__() == before
    larger = (3, "<", None, None, None, 4000, 4, 8)  # than its texts are
    torch.save(Call(np.dtype, code, False, True, state=larger), path)
    assert load_checkpoint(path).itemsize == np.dtype(code).itemsize
