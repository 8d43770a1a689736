"""Several processes on a machine without a GPU; a config adds this to its `_base_`::

    _base_ = ["../pose/litehrnet_18_coco_256x192.py", "../_base_/cpu_distributed.py"]

and runs by `mim train mmpose CONFIG --launcher pytorch --gpus 2`, 2 being the number of
processes. On a machine with GPUs it changes nothing.

No two bases of a config may set the same key, and the other one has `custom_imports`
already: hence the plain import. MMEngine takes a file that assigns `_base_` before it
imports for the kind of config that this is.
"""

_base_ = []

import mmlitehrnet.engine.cpu_distributed  # noqa: E402, F401

# Each process normalises by its own images, SyncBN too: PyTorch's needs GPUs. Running
# statistics are not broadcast at each step, as by default in MMEngine: SyncBuffersHook
# (pose) averages them after an epoch; a segmentor's checkpoint has the first process's.
model_wrapper_cfg = dict(
    type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False
)
