"""Train all four backbones for a few steps of a batch that the processes share.

    python -m tests.engine.equal_batches DATA_FOLDER OUT_FOLDER

A single process takes the parts of the batch one after the other, as two take them side
by side, and adds up their gradients. Each writes its losses and the parameters that it
ends with to ``OUT_FOLDER/{world size}_{rank}.pth``. What differs between the numbers of
processes is left out: random augmentation, and means over unequal numbers of labelled
pixels.
"""

import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner
from torch.utils.data import Sampler

from mmlitehrnet.engine.cpu_distributed import init_gloo
from tests.robustness.recipes import small_config
from tests.running import ROOT, be_one_of_two, fork, free_port, quick_configs

PARTS = 2
SIZE = 2
STEPS = 3
NETWORKS = (
    ("pose", "LiteHRNet"),
    ("pose", "DiteHRNet"),
    ("seg", "NaiveLiteHRNet"),
    ("seg", "SmallHRNet"),
)


@DATA_SAMPLERS.register_module()
class PartsSampler(Sampler):
    """The samples of each process; of all processes in turn if there is only one."""

    def __init__(self, dataset, seed=None):
        ranks = range(PARTS) if get_world_size() == 1 else [get_rank()]
        self.indices = [
            # The last step sees the first one's samples again: there losses compare.
            ((step % (STEPS - 1) * SIZE + place) * PARTS + rank) % len(dataset)
            for step in range(STEPS)
            for rank in ranks
            for place in range(SIZE)
        ]

    def __iter__(self):
        return iter(self.indices)

    def __len__(self):
        return len(self.indices)

    def set_epoch(self, epoch):
        """Every epoch is the same."""


class RecordLosses(Hook):
    """Keeps the loss of every step."""

    def __init__(self):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs["loss"]))


def equal_config(task: str, data: Path, backbone: str) -> Config:
    """A config whose gradients do not depend on the number of processes."""
    cfg = small_config(task, data / task, backbone)
    rounds = PARTS // get_world_size()
    cfg.optim_wrapper.accumulative_counts = rounds
    cfg.train_dataloader.batch_size = SIZE
    cfg.train_dataloader.sampler = dict(type="PartsSampler")
    random = ("Random", "GetRandom")
    steps = cfg.train_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset.pipeline = [
        step for step in steps if not step.type.startswith(random)
    ]
    cfg.model.backbone.norm_cfg = dict(type="BN")
    if task == "seg":
        # The head keeps the SyncBN of the shipped config, which becomes BN.
        assert cfg.model.decode_head.norm_cfg.type == "SyncBN"
        cfg.model.decode_head.loss_decode.avg_non_ignore = False
    cfg.train_cfg = dict(
        type="IterBasedTrainLoop", max_iters=STEPS * rounds, val_interval=99
    )
    cfg.param_scheduler = None
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.log_level = "ERROR"
    return cfg


def train(task: str, backbone: str, data: Path, out: Path) -> dict:
    """Train one network; give its losses, its weights and how it was wrapped."""
    cfg = equal_config(task, data, backbone)
    if get_world_size() > 1:
        cfg.launcher = "pytorch"
        cfg.merge_from_dict(
            Config.fromfile(ROOT / "configs/_base_/cpu_distributed.py").to_dict()
        )
    cfg.work_dir = str(out / f"{task}_{backbone}")
    cfg.experiment_name = f"{task}_{backbone}"
    runner = Runner.from_cfg(cfg)
    record = RecordLosses()
    runner.register_hook(record)
    runner.train()
    network = getattr(runner.model, "module", runner.model)
    return dict(
        losses=record.losses,
        weights={name: p.detach() for name, p in network.named_parameters()},
        wrapper=type(runner.model).__name__,
        finds_unused=getattr(runner.model, "find_unused_parameters", None),
    )


def run(data: Path, out: Path, rank: int | None = None, port: int = 0) -> None:
    """Be the single process, or one of two."""
    if rank is not None:
        be_one_of_two(rank, port)
        init_gloo("pytorch")
    with quick_configs():
        results = {
            (task, backbone): train(task, backbone, data, out)
            for task, backbone in NETWORKS
        }
    torch.save(results, out / f"{get_world_size()}_{get_rank()}.pth")


def main() -> None:
    data, out = map(Path, sys.argv[1:3])
    torch.set_num_threads(1)
    port = free_port()
    two = [fork(run, data, out, rank, port) for rank in range(PARTS)]
    run(data, out)
    for process in two:
        assert os.waitpid(process, 0)[1] == 0


if __name__ == "__main__":
    main()
