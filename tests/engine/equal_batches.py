"""Train all four backbones for two steps of a batch that two processes share.

    python -m tests.engine.equal_batches FOLDER

A single process takes the parts of the batch one after the other, as two take them side
by side, and adds up their gradients. Each writes the parameters that it ends with to
``FOLDER/{world size}_{rank}.pth``.
"""

import os
import sys
from pathlib import Path

import torch
from mmengine.dist import get_rank, get_world_size
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmlitehrnet import DiteHRNet, LiteHRNet, NaiveLiteHRNet, SmallHRNet
from mmlitehrnet.engine.cpu_distributed import init_gloo
from tests.robustness.recipes import TINY
from tests.running import be_one_of_two, fork, free_port

PARTS = 2
NETWORKS = (LiteHRNet, NaiveLiteHRNet, DiteHRNet, SmallHRNet)


def train(cls: type[nn.Module]) -> dict[str, torch.Tensor]:
    """Train one network, in this process or as one of two; give its parameters."""
    torch.manual_seed(0)
    # Two processes on CPUs make BatchNorm2d of the configs' SyncBN.
    alone = get_world_size() == 1
    norm = dict(type="BN" if alone else "SyncBN")
    net = cls(**TINY[cls.__name__], norm_cfg=norm).double().train()
    model = net if alone else DistributedDataParallel(net, broadcast_buffers=False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        images = torch.randn(PARTS, 2, 3, 64, 64, dtype=torch.float64)
        parts = images if alone else images[get_rank()][None]
        optimizer.zero_grad()
        for part in parts:
            loss = sum(y.square().mean() for y in model(part)) / len(parts)
            loss.backward()
        optimizer.step()
    return {name: value.detach() for name, value in net.named_parameters()}


def run(folder: Path, rank: int | None = None, port: int = 0) -> None:
    """Be the single process, or one of two."""
    if rank is not None:
        be_one_of_two(rank, port)
        init_gloo("pytorch")
    weights = {cls.__name__: train(cls) for cls in NETWORKS}
    torch.save(weights, folder / f"{get_world_size()}_{get_rank()}.pth")


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    port = free_port()
    two = [fork(run, folder, rank, port) for rank in range(PARTS)]
    run(folder)
    for process in two:
        assert os.waitpid(process, 0)[1] == 0


if __name__ == "__main__":
    main()
