"""Files of weights as other code writes them, and files that do harm."""

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

NORMS = {"running_mean": "_mean", "running_var": "_variance"}


def paddle_name(name):
    """The name that PaddleDetection has for a tensor of MMPose's LiteHRNet."""
    parts = name.split(".")
    parts[-1] = NORMS.get(parts[-1], parts[-1])
    name = ".".join("norm" if part == "bn" else part for part in parts)
    return name.replace("keypoint_head.final_layer", "final_conv")


def paddle_arrays(state_dict, prefix=""):
    """Arrays as PaddleDetection saves them, of MMPose's tensors."""
    return {
        prefix + paddle_name(name): value.numpy()
        for name, value in state_dict.items()
        if not name.endswith("num_batches_tracked")
    }


def write_pdparams(path, arrays, protocol=4):
    names = {name: f"conv2d_{i}.w_0" for i, name in enumerate(arrays)}
    content = {**arrays, "StructuredToParameterName@@": names}
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


class Call:
    """Pickled as a call, and as a state that its result is filled with."""

    def __init__(self, function, *arguments, **state):
        self.call = function, arguments, *state.values()

    def __reduce__(self):
        return self.call


#: Objects that run something when they are unpickled, or that NumPy reads memory by.
HARM = {
    "system": lambda path: Call(os.system, f"touch {path}"),
    "nested": lambda path: Call(getattr, Call(__import__, "os"), "system"),
    "call of a method": lambda path: Call(Path.touch, path),
    "state of a class": lambda path: Call(
        getattr, HistoryBuffer, "mean", state=(None, {"__defaults__": (1,)})
    ),
    "memory as objects": lambda path: Call(np.ndarray, (1,), "O", b"\1" * 8),
    "memory as an object": lambda path: Call(
        np.float32(1).__reduce__()[0], np.dtype("O"), b"\1" * 8
    ),
    "array of objects": lambda path: np.array([HARM["system"](path)]),
    "array of records": lambda path: np.zeros(2, [("a", "f8")]),
    "array of dates": lambda path: np.array(["2026-01-02"], "M8[D]"),
    "array of records in texts": lambda path: Call(
        np.dtype, "U4", state=(3, "<", None, ("a",), {"a": (np.dtype("O"), 0)})
    ),
    "call of a defaultdict": lambda path: collections.defaultdict(path.touch),
    "a whole model": lambda path: torch.nn.ReLU(),
    "masked array": lambda path: np.ma.zeros(2),
    "schedule called": lambda path: Call(OneCycleParamScheduler, object, "lr", 1.0),
    "config of code": lambda path: ConfigDict(a=HARM["system"](path)),
}
#: Those of them that would leave a file there.
ACTING = ("system", "array of objects", "config of code")
