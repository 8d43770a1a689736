"""Kill a training run with SIGKILL six times, at random moments and while it writes.

    python -m tests.engine.hooks.killed_runs WORK_DIR

Every run resumes what the last one left; the one after the last kill may end. Prints
what happened as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from mmengine.hooks import Hook

from tests.robustness.tiny_runner import Line, tiny_runner
from tests.running import fork

KILLS = 6
ITERS = 50
INTERVAL = 2
STEP_TIME = 0.01
#: Seconds that the disk takes for a checkpoint: most of a run's time.
WRITE_TIME = 0.03


class TakeTime(Hook):
    """Steps that are long enough to be killed in."""

    def after_train_iter(self, runner, *args, **kwargs):
        time.sleep(STEP_TIME)


def train(work_dir: Path, log: Path) -> None:
    """Resume and train to the end, unless killed."""
    with log.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    flush = os.fsync

    def slow_disk(descriptor):
        time.sleep(WRITE_TIME)
        flush(descriptor)

    os.fsync = slow_disk
    hook = dict(interval=INTERVAL, max_keep_ckpts=1)
    # A megabyte with the state of the optimizer.
    runner = tiny_runner(
        work_dir, hook, Line(width=20_000), ITERS, [TakeTime()], resume=True
    )
    runner.train()


def kill_once(work_dir: Path, log: Path, while_writing: bool) -> bool:
    """Start a run and kill it; tell whether it was writing."""
    child = fork(train, work_dir, log)
    saved = newest(work_dir)
    # Each run gets somewhere, or six of them would get nowhere.
    while newest(work_dir) == saved:
        time.sleep(0.001)
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
    time.sleep(random.uniform(0, 5 * WRITE_TIME))
    while while_writing and not partial(work_dir):
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return partial(work_dir)


def newest(work_dir: Path) -> int:
    """The step of the newest checkpoint."""
    steps = [int(path.stem.split("_")[1]) for path in work_dir.glob("iter_*.pth")]
    return max(steps, default=0)


def partial(work_dir: Path) -> bool:
    return any(work_dir.glob("*.partial"))


def main() -> None:
    torch.set_num_threads(1)
    work_dir = Path(sys.argv[1])
    work_dir.mkdir(parents=True)
    # What MMEngine imports late is imported here, once for all runs.
    tiny_runner(work_dir / "imports", iters=1).train()
    reached, writing = [], []
    for number in range(KILLS):
        log = work_dir / f"killed_{number}.log"
        writing.append(kill_once(work_dir, log, while_writing=number % 2 == 0))
        reached.append(newest(work_dir))
    child = fork(train, work_dir, work_dir / "last.log")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps(dict(reached=reached, writing=writing, status=status)))


if __name__ == "__main__":
    main()
