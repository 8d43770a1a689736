"""What torchrun starts on each of two machines, with faults on the way.

    torchrun ... -m tests.engine.elastic_machine WORK_DIR

The environment says which: ``DIES`` ends the machine, its torchrun too, in the third
epoch; ``STEP`` and ``DISK`` are seconds that a step and a checkpoint take besides;
``EPOCHS`` is how many there are.
"""

import os
import signal
import sys
import time
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner

from tests.engine.two_machines import BEFORE, tiny_config


class Faults(Hook):
    """What happens to a machine."""

    def before_train(self, runner):
        if runner.rank == 0:
            Path(runner.work_dir, "pid").write_text(str(os.getpid()))

    def before_train_epoch(self, runner):
        if "DIES" in os.environ and runner.epoch == BEFORE:
            for process in (os.getppid(), os.getpid()):
                os.kill(process, signal.SIGKILL)

    def after_train_iter(self, runner, *args, **kwargs):
        time.sleep(float(os.environ.get("STEP", 0)))


def main():
    flush = os.fsync

    def slow_disk(descriptor):
        time.sleep(float(os.environ.get("DISK", 0)))
        flush(descriptor)

    os.fsync = slow_disk
    options = dict(launcher="pytorch", resume=True)
    options["train_cfg.max_epochs"] = int(os.environ["EPOCHS"])
    runner = Runner.from_cfg(tiny_config(sys.argv[1], **options))
    runner.register_hook(Faults())
    runner.train()


if __name__ == "__main__":
    main()
