"""Two processes stand in for two machines: each has a working directory of its own.

    python -m tests.engine.two_machines FOLDER

Runs CASES one after the other and writes what comes of them in each process, a message
where it stops, to ``FOLDER/{rank}/results.json``.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from mmengine.runner import Runner

import mmlitehrnet.engine.cpu_distributed  # noqa: F401
from mmlitehrnet.checkpoints import load_checkpoint
from tests.robustness.tiny_runner import loader
from tests.running import be_one_of_two, fork, free_port

EPOCHS = 4
BEFORE = 2
TIMEOUT = 2


@METRICS.register_module()
class Seen(BaseMetric):
    """How many samples all processes have seen, and their mean loss."""

    default_prefix = "seen"

    def process(self, data_batch, data_samples):
        self.results += [float(data_samples[0])] * len(data_batch["x"])

    def compute_metrics(self, results):
        return dict(samples=len(results), loss=sum(results) / len(results))


def tiny_config(work_dir, **changes):
    """A run that validates after each epoch, with the hooks of the configs."""
    config = Config(
        dict(
            model=dict(type="Line"),
            work_dir=str(work_dir),
            train_dataloader=loader("DefaultSampler"),
            train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
            val_dataloader=loader("DefaultSampler", count=6),
            val_cfg=dict(),
            val_evaluator=dict(type="Seen"),
            optim_wrapper=dict(optimizer=dict(type="Adam", lr=1e-3)),
            param_scheduler=[
                dict(type="MultiStepLR", milestones=[1, 3], end=EPOCHS, by_epoch=True)
            ],
            auto_scale_lr=dict(enable=False, base_batch_size=8),
            default_hooks=dict(
                checkpoint=dict(type="SafeCheckpointHook", interval=1),
                processes=dict(type="ProcessesHook"),
            ),
            model_wrapper_cfg=dict(type="MMDistributedDataParallel", device_ids=None),
            env_cfg=dict(dist_cfg=dict(backend="nccl")),
            randomness=dict(seed=0),
            experiment_name=f"tiny_{time.time_ns()}",
            log_level="WARNING",
        )
    )
    config.merge_from_dict(changes)
    return config


def train(name, **changes):
    """Train in this machine's folder of a name; give where it ended."""
    config = tiny_config(Path(name).absolute(), launcher="pytorch", **changes)
    runner = Runner.from_cfg(config)
    weights = runner.train().state_dict()
    scalars = runner.message_hub.log_scalars
    return dict(
        epoch=runner.epoch,
        weights=[value.tolist() for value in weights.values()],
        # Where MMEngine collects results: a disk that stand-ins share, machines do not.
        by_disk=Path(".dist_test").exists(),
        samples=int(scalars["val/seen/samples"].current()),
    )


def trained(name):
    """A folder as the run left it after two epochs; give its last checkpoint."""
    folder = Path(name)
    folder.mkdir()
    for epoch in range(1, BEFORE + 1):
        shutil.copy(f"agreeing/epoch_{epoch}.pth", folder)
    last = folder / f"epoch_{BEFORE}.pth"
    (folder / "last_checkpoint").write_text(str(last))
    return last


def agreeing():
    root = f"/disk_{get_rank()}/data"
    result = train("agreeing", **{"train_dataloader.dataset.data_root": root})
    # From here on every machine has the checkpoints.
    dist.barrier()
    if get_rank() == 1:
        shutil.rmtree("agreeing")
        shutil.copytree("../0/agreeing", "agreeing")
    return result


def going_on():
    trained("going_on")
    return train("going_on", resume=True)


def without_checkpoint():
    if get_rank() == 0:
        trained("without_checkpoint")
    return train("without_checkpoint", resume=True)


def other_weights():
    """Files of one name, in one of which a number is another."""
    path = trained("other_weights")
    if get_rank() == 1:
        checkpoint = load_checkpoint(path)
        checkpoint["state_dict"]["head.bias"] += 1
        torch.save(checkpoint, path)
    return train("other_weights", load_from=str(path))


def other_rate():
    return train("rate", **{"optim_wrapper.optimizer.lr": 1e-3 * (1 + get_rank())})


def other_data():
    """One sample more, which changes no number of steps, and another batch."""
    count, batch_size = (12, 4) if get_rank() == 0 else (11, 3)
    loader = dict(dataset=dict(type="Points", count=count), batch_size=batch_size)
    return train("data", train_dataloader=loader)


def lost_link():
    """The other process says nothing for longer than the config allows."""
    start_anew(**{"env_cfg.dist_cfg.timeout": TIMEOUT})
    start = time.monotonic()
    if get_rank() == 1:
        time.sleep(1.5 * TIMEOUT)
    try:
        dist.barrier()
    except RuntimeError:
        return time.monotonic() - start


def start_anew(**changes):
    """Make another process group, as MMEngine's runner does."""
    dist.destroy_process_group()
    os.environ["MASTER_PORT"] = str(int(os.environ["MASTER_PORT"]) + 1)
    Runner.from_cfg(tiny_config("anew", launcher="pytorch", **changes))


CASES = (
    *(agreeing, going_on, without_checkpoint, other_weights, other_rate, other_data),
    lost_link,
)


def run(rank, folder, port):
    """Be one of the machines; in the end the second one fails."""
    folder.mkdir()
    os.chdir(folder)
    be_one_of_two(rank, port)
    results = {}
    for case in CASES:
        try:
            results[case.__name__] = case()
        except RuntimeError as error:
            results[case.__name__] = str(error)
    Path("results.json").write_text(json.dumps(results))
    start_anew()
    if rank == 1:
        raise ValueError("a cause of its own")
    dist.barrier()


def main():
    torch.set_num_threads(1)
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(exist_ok=True)
    port = free_port()
    children = {fork(run, rank, folder / str(rank), port) for rank in range(2)}
    # As a launcher does: one that fails is the end of all.
    (other,) = children - {os.wait()[0]}
    os.kill(other, signal.SIGKILL)
    os.wait()


if __name__ == "__main__":
    main()
