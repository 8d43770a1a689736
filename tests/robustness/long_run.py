"""A long run of Lite-HRNet-18 on generated people: memory, losses, AP.

    python -m tests.robustness.long_run WORK_DIR --iters 2000
    python -m tests.robustness.long_run WORK_DIR --iters 2000 --dtype bfloat16

Run by hand, the tests run it for a few steps; docs/robustness.md has the numbers.
Prints one line of JSON.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from sample_data import make_coco
from tests.robustness.recipes import small_config


def resident_bytes() -> int:
    """Memory of this process that is in use (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Watch(Hook):
    """Keeps the loss and the memory of every step."""

    def __init__(self):
        self.losses, self.memory = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs["loss"]))
        self.memory.append(resident_bytes())


def run(work_dir: Path, iters: int, dtype: str, num_train: int, num_val: int) -> dict:
    """Train, validate at the end, and measure.

    Returns:
        Means of the loss over the first and the last tenth, growth of the memory over
        the second half in bytes a step, its range there in MiB, and the AP.
    """
    data = work_dir / "data"
    if not data.exists():
        make_coco(data, num_train, num_val, quiet=True)
    cfg = small_config("pose", data)
    cfg.model.backbone = dict(type="LiteHRNet", arch="18")
    cfg.model.head.in_channels = 40
    cfg.work_dir = str(work_dir / dtype)
    cfg.train_dataloader.batch_size = 8
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iters, val_interval=iters)
    cfg.param_scheduler = [
        dict(type="LinearLR", begin=0, end=50, start_factor=0.01, by_epoch=False),
        dict(type="CosineAnnealingLR", T_max=iters, by_epoch=False),
    ]
    cfg.default_hooks.logger.interval = 100
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=max(iters // 4, 1))
    if dtype == "bfloat16":
        cfg.optim_wrapper["type"] = "Bfloat16OptimWrapper"
        # MMPose turns heatmaps into arrays for it, and NumPy has no bfloat16.
        cfg.model.train_cfg = dict(compute_acc=False)
    runner = Runner.from_cfg(cfg)
    watch = Watch()
    runner.register_hook(watch)
    runner.train()
    second_half = np.array(watch.memory[iters // 2 :], float)
    tenth = max(iters // 10, 1)
    return dict(
        dtype=dtype,
        iters=len(watch.losses),
        first_losses=np.mean(watch.losses[:tenth]),
        last_losses=np.mean(watch.losses[-tenth:]),
        bytes_a_step=np.polyfit(np.arange(len(second_half)), second_half, 1)[0],
        range_mib=np.ptp(second_half) / 2**20,
        peak_mib=max(watch.memory) / 2**20,
        AP=float(runner.message_hub.get_scalar("val/coco/AP").current()),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=Path)
    parser.add_argument("--iters", type=int, default=2000)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--train", type=int, default=300, help="number of images")
    parser.add_argument("--val", type=int, default=60, help="number of images")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(run(args.work_dir, args.iters, args.dtype, args.train, args.val)))


if __name__ == "__main__":
    main()
