"""Two gloo processes train and test as one does."""

import os
import re

import pytest
import torch
from mmengine.runner import Runner

from tests.engine.equal_batches import NETWORKS
from tests.robustness.recipes import make_data, small_config
from tests.running import ROOT, free_port, mim, run_python

CPU_DISTRIBUTED = ROOT / "configs/_base_/cpu_distributed.py"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Parameters of a single process, and of each of two that share the batch."""
    folder = tmp_path_factory.mktemp("out")
    run_python("-m", "tests.engine.equal_batches", folder)
    return [torch.load(folder / f"{name}.pth") for name in ("1_0", "2_0", "2_1")]


@pytest.mark.parametrize("network", [cls.__name__ for cls in NETWORKS])
def test_two_processes_follow_one_that_adds_up_their_gradients(runs, network):
    """No parameter is unused: two steps of ordinary distributed training work."""
    one, first, second = (run[network] for run in runs)
    for name, value in one.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-9, atol=1e-12)


#: Stand-ins for Slurm: two nodes on this machine, each in a folder of its own.
SLURM = {
    "srun": """#!/bin/bash
echo "srun $*"
while [[ $1 == -* ]]; do
    case $1 in -p) shift ;; --ntasks=*) export SLURM_NTASKS=${1#*=} ;; esac
    shift
done
export SLURM_NODELIST=node[0-1] SLURM_LOCALID=0
for ((k = 0; k < SLURM_NTASKS; k++)); do
    mkdir -p node$k
    (cd node$k && SLURM_PROCID=$k exec "$@") &
done
wait -n && wait -n
""",
    "scontrol": """#!/bin/bash
[[ $* == "show hostname node[0-1]" ]] && echo 127.0.0.1
""",
}


def test_mim_on_two_nodes_of_slurm(tmp_path, monkeypatch):
    # More people than a step takes, and a number of validation images that two
    # processes cannot share equally.
    data = make_data("pose", tmp_path / "data", num_train=8, num_val=3)
    small = small_config("pose", data)
    small.train_cfg.update(max_epochs=1, val_interval=1)
    small.default_hooks.checkpoint.update(interval=1, save_best=None)
    # A number that is not 0 for a network that has seen eight pictures.
    small.val_evaluator = [small.val_evaluator, dict(type="EPE")]
    small.test_evaluator = small.val_evaluator
    small.dump(tmp_path / "small.py")
    config = tmp_path / "two.py"
    config.write_text(f"_base_ = ['small.py', '{CPU_DISTRIBUTED}']\n")

    for name, script in SLURM.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    two = ("--launcher", "slurm", "--gpus", 2, "--gpus-per-node", 1, "--partition", "a")
    run = ("mmpose", config, "--work-dir", tmp_path, *two, "--port", free_port())
    log = mim("train", *run, cwd=tmp_path)
    assert "srun -p a --gres=gpu:1 --ntasks=2 --ntasks-per-node=1" in log
    assert "Distributed training: True" in log and "GPU number: 2" in log

    # Both processes evaluated the network of the checkpoint, each a part of the images.
    small.update(load_from=str(tmp_path / "epoch_1.pth"), work_dir=str(tmp_path))
    alone = Runner.from_cfg(small).test()
    for name in ("coco/AP", "coco/AR", "EPE"):
        printed = re.findall(rf"{name}: ([\d.]+)", log)[-1]
        assert float(printed) == pytest.approx(alone[name], abs=1e-3), name
    assert alone["EPE"] > 0
