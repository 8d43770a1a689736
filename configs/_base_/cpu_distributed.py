"""Several processes on machines without a GPU; a config adds this to its `_base_`::

    _base_ = ["../pose/litehrnet_18_coco_256x192.py", "../_base_/cpu_distributed.py"]

and runs by `mim train mmpose CONFIG --launcher pytorch --gpus 2`, 2 being the number of
processes, or under Slurm. On a machine with GPUs it changes nothing.

The import is a plain one: no two bases may set the same key, and the other one has
`custom_imports`. Without `_base_` above it MMEngine takes this for a config in its
pure-Python style.
"""

_base_ = []

import mmlitehrnet.engine.cpu_distributed  # noqa: E402, F401

# Running statistics stay each process's own during an epoch, as is MMEngine's default.
# SyncBuffersHook (pose) averages them after it; a segmentor saves the first process's.
model_wrapper_cfg = dict(
    type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False
)
