"""Two gloo processes train and test as one does."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.engine.two_processes import NETWORKS
from tests.robustness.recipes import make_data, small_config
from tests.running import ROOT, run_python

CPU_DISTRIBUTED = ROOT / "configs/_base_/cpu_distributed.py"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where both trainings of two_processes.py have written."""
    folder = tmp_path_factory.mktemp("out")
    # More people than a step takes, and a number of validation images that two
    # processes cannot share equally.
    data = make_data("pose", folder / "data", num_train=8, num_val=3)
    small = small_config("pose", data)
    small.train_cfg.update(max_epochs=1, val_interval=1)
    small.default_hooks.checkpoint.update(interval=1, save_best=None)
    # A number that is not 0 for a network that has seen eight pictures.
    small.val_evaluator = [small.val_evaluator, dict(type="EPE")]
    small.test_evaluator = small.val_evaluator
    small.dump(folder / "small.py")
    (folder / "two.py").write_text(f"_base_ = ['small.py', '{CPU_DISTRIBUTED}']\n")
    run_python("-m", "tests.engine.two_processes", folder)
    return folder


@pytest.mark.parametrize("network", [cls.__name__ for cls in NETWORKS])
def test_two_processes_follow_one_that_adds_up_their_gradients(folder, network):
    """No parameter is unused: two steps of ordinary distributed training work."""
    runs = [torch.load(folder / f"{name}.pth") for name in ("1_0", "2_0", "2_1")]
    one, first, second = (run[network] for run in runs)
    for name, value in one.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-9, atol=1e-12)


def test_two_nodes_of_slurm_evaluate_as_one(folder):
    """The network of the checkpoint, each a part of the images."""
    (log,) = folder.glob("work/*/*.log")
    text = log.read_text()
    assert "Distributed training: True" in text and "GPU number: 2" in text
    (scalars,) = folder.glob("work/*/vis_data/scalars.json")
    printed = json.loads(scalars.read_text().splitlines()[-1])
    small = Config.fromfile(folder / "small.py")
    small.update(load_from=str(folder / "work/epoch_1.pth"), work_dir=str(folder))
    alone = Runner.from_cfg(small).test()
    for name in ("coco/AP", "coco/AR", "EPE"):
        assert printed[name] == pytest.approx(alone[name], abs=1e-3), name
    assert alone["EPE"] > 0
