"""A runner of MMEngine whose steps take milliseconds, with our hooks."""

from uuid import uuid4

import torch
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

import mmlitehrnet  # noqa: F401  Registers the hooks.


@DATASETS.register_module()
class Points(Dataset):
    """Points and their sums, of a folder that is not used."""

    metainfo = dict(name="points")

    def __init__(self, count=16, data_root=""):
        self.count = count

    def __getitem__(self, index):
        point = torch.full((4,), index / 16)
        return dict(x=point, y=point.sum()[None])

    def __len__(self):
        return self.count


@MODELS.register_module()
class Line(BaseModel):
    """A linear backbone and a head."""

    def __init__(self, width=4, outputs=1):
        super().__init__()
        self.backbone = nn.Linear(4, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, x, y, mode="tensor"):
        loss = (self.head(self.backbone(x)).mean(1, keepdim=True) - y).square().mean()
        return dict(loss=loss) if mode == "loss" else [loss]


def loader(sampler, **dataset):
    """What loads batches of four points."""
    return dict(
        dataset=dict(type="Points", **dataset),
        batch_size=4,
        sampler=dict(type=sampler, shuffle=True),
        num_workers=0,
        collate_fn=dict(type="default_collate"),
    )


def tiny_runner(work_dir, hook=None, model=None, iters=8, custom_hooks=(), **options):
    """A runner that saves a checkpoint every other step.

    Args:
        work_dir: Folder of the checkpoints.
        hook: Arguments of the checkpoint hook.
        model: What to train.
        iters: Number of steps.
        custom_hooks: Further hooks.
        options: Further arguments of the runner.
    """
    checkpoint = dict(
        type="SafeCheckpointHook", by_epoch=False, interval=2, max_keep_ckpts=2
    )
    return Runner(
        model=model or Line(),
        work_dir=str(work_dir),
        train_dataloader=loader("InfiniteSampler"),
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=iters),
        optim_wrapper=dict(optimizer=dict(type="Adam", lr=1e-3)),
        default_hooks=dict(
            checkpoint={**checkpoint, **(hook or {})},
            finite_loss=dict(type="FiniteLossHook"),
            logger=dict(type="LoggerHook", interval=1),
        ),
        custom_hooks=list(custom_hooks),
        randomness=dict(seed=0),
        experiment_name=f"tiny_{uuid4()}",
        **options,
    )
