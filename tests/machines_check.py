"""Train on two machines that fail in several ways: `make machines-check`.

The machines are network namespaces of this one, which only root may make, joined by a
link. Each trial ends with the weights of a run without faults, bit for bit: a link that
is cut for half a minute, a process that is killed while it writes a checkpoint, six
times, and a machine that dies and comes back.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmlitehrnet.checkpoints import load_checkpoint
from tests.running import ROOT

EPOCHS, KILLS, CUT = 8, 6, 30
ADDRESS = "10.93.0.{}"
#: Namespaces, and the ends of the link, have these names.
HOSTS = ("mmhost0", "mmhost1")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def two_hosts() -> Iterator[None]:
    """Make the namespaces and the link."""
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip(*f"link add {HOSTS[0]} type veth peer name {HOSTS[1]}".split())
        for k, host in enumerate(HOSTS):
            ip("link", "set", host, "netns", host)
            ip(*f"-n {host} addr add {ADDRESS.format(k + 1)}/24 dev {host}".split())
            ip("-n", host, "link", "set", host, "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], check=False)


def start(k: int, folder: Path, **more: str) -> subprocess.Popen:
    """Start torchrun on a host, as docs/several_machines.md does.

    Args:
        k: Number of the host; they meet at the first.
        folder: Of the trial: each host has a folder there, the run has ``work``.
        more: Further environment variables.
    """
    host = HOSTS[k]
    (folder / host).mkdir(parents=True, exist_ok=True)
    command = [
        *("ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "8"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"{ADDRESS.format(1)}:29400"),
        *("--rdzv-id", folder.name, "--rdzv-conf", f"is_host={int(k == 0)}"),
        *("--local-addr", ADDRESS.format(k + 1)),
        *("-m", "tests.engine.elastic_machine", str(folder / "work")),
    ]
    environment = os.environ | dict(
        PYTHONPATH=str(ROOT),
        OMP_NUM_THREADS="1",
        TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1",
        GLOO_SOCKET_IFNAME=host,
        EPOCHS=str(EPOCHS),
        **more,
    )
    with (folder / host / "log").open("a") as log:
        return subprocess.Popen(
            command, cwd=folder / host, env=environment, stdout=log, stderr=log
        )


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("nothing happened")
        time.sleep(0.01)


def without_faults(folder: Path) -> list[subprocess.Popen]:
    return [start(k, folder) for k in range(2)]


def link_cut(folder: Path) -> list[subprocess.Popen]:
    """Take the link away in the middle of the run, and give it back."""
    machines = [start(k, folder, STEP="1") for k in range(2)]
    wait_for((folder / "work/epoch_2.pth").exists)
    ip("-n", HOSTS[1], "link", "set", HOSTS[1], "down")
    time.sleep(CUT)
    assert not (folder / f"work/epoch_{EPOCHS}.pth").exists()
    ip("-n", HOSTS[1], "link", "set", HOSTS[1], "up")
    return machines


def killed_while_writing(folder: Path) -> list[subprocess.Popen]:
    """Kill the process that writes checkpoints, each time at a later one."""
    machines = [start(k, folder, DISK="0.3") for k in range(2)]
    work = folder / "work"
    for epoch in range(1, KILLS + 1):
        wait_for((work / f"epoch_{epoch}.pth.partial").exists)
        os.kill(int((work / "pid").read_text()), signal.SIGKILL)
        assert not (work / f"epoch_{epoch}.pth").exists()
    return machines


def host_returns(folder: Path) -> list[subprocess.Popen]:
    """Kill a machine with its torchrun, and start it again."""
    machines = [start(0, folder), start(1, folder, DIES="1")]
    assert machines[1].wait(300) == -signal.SIGKILL
    return [machines[0], start(1, folder)]


def weights(folder: Path) -> list[list]:
    saved = load_checkpoint(folder / f"work/epoch_{EPOCHS}.pth")["state_dict"]
    return [value.tolist() for value in saved.values()]


def main() -> int:
    """Run the trials; print a line for each."""
    if os.geteuid():
        print("not run: only root may make network namespaces")
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as name, two_hosts():
        expected = Path(name) / without_faults.__name__
        for trial in (without_faults, link_cut, killed_while_writing, host_returns):
            begin, folder = time.monotonic(), Path(name) / trial.__name__
            ended = [machine.wait(300) for machine in trial(folder)]
            good = ended == [0, 0] and weights(folder) == weights(expected)
            failed += not good
            what = "equal" if good else "FAILED"
            took = f"{time.monotonic() - begin:4.0f} s"
            print(f"{took}  {trial.__name__}: {what}", flush=True)
            if not good:
                print((folder / HOSTS[0] / "log").read_text()[-3000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
