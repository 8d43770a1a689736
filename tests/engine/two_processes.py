"""Train with two processes that stand in for those of two nodes.

    python -m tests.engine.two_processes FOLDER

First all four backbones for two steps of a batch that the processes share. A single one
takes the parts of the batch one after the other, as two take them side by side, and
adds up their gradients. Each writes the parameters that it ends with to
``FOLDER/{world size}_{rank}.pth``. Then ``FOLDER/two.py``, by the script that ``mim
train`` has Slurm start on two nodes; each has a folder of its own.
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
from tests.running import be_one_of_two, fork, free_port, quick_configs, script_of_mim

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


def share_batches(folder: Path, rank: int | None = None, port: int = 0) -> None:
    """Be the single process, or one of two."""
    if rank is not None:
        be_one_of_two(rank, port)
        init_gloo("pytorch")
    weights = {cls.__name__: train(cls) for cls in NETWORKS}
    torch.save(weights, folder / f"{get_world_size()}_{get_rank()}.pth")


def be_a_node(folder: Path, rank: int, port: int) -> None:
    """Be what Slurm starts; its ``scontrol`` tells the address of the first node."""
    scontrol = folder / f"node{rank}/scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(
        '#!/bin/bash\n[[ $* == "show hostname node[0-1]" ]] && echo 127.0.0.1\n'
    )
    scontrol.chmod(0o755)
    os.environ.update(
        PATH=f"{scontrol.parent}:{os.environ['PATH']}",
        SLURM_NODELIST="node[0-1]",
        SLURM_NTASKS="2",
        SLURM_PROCID=str(rank),
        SLURM_LOCALID="0",
        MASTER_PORT=str(port),
    )
    options = (folder / "two.py", "--work-dir", folder / "work", "--launcher", "slurm")
    with quick_configs():
        script_of_mim("train", "mmpose", *options, cwd=scontrol.parent)


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    port = free_port()
    two = [fork(share_batches, folder, rank, port) for rank in range(PARTS)]
    share_batches(folder)
    port = free_port()
    two += [fork(be_a_node, folder, rank, port) for rank in range(PARTS)]
    for process in two:
        assert os.waitpid(process, 0)[1] == 0


if __name__ == "__main__":
    main()
