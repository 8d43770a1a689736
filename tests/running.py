"""Run commands as a user does."""

import contextlib
import functools
import importlib
import io
import os
import re
import runpy
import socket
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from unittest import mock

import mmengine.config.utils

ROOT = Path(__file__).parents[1]
#: What makes a run load its data in its own process.
ONE_PROCESS = [
    f"{part}_dataloader.{option}"
    for part in ("train", "val", "test")
    for option in ("num_workers=0", "persistent_workers=False")
]
#: What makes mim's runs short: two samples a batch, one process, each step told.
SHORT = [
    "--cfg-options",
    "train_dataloader.batch_size=2",
    *ONE_PROCESS,
    "default_hooks.logger.interval=1",
    "default_hooks.checkpoint.interval=1",
    "train_cfg.val_interval=1",
]


def run_python(*arguments, cwd=ROOT, check=True, timeout=None, **env):
    """Run this Python in a process of its own, with one thread.

    Args:
        arguments: What follows ``python`` on the command line.
        cwd: Folder to run it in.
        check: Whether to fail where the command fails.
        timeout: Seconds after which it is killed.
        env: Further environment variables.

    Returns:
        The completed process; ``stdout`` holds errors too.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": "1",
            **env,
        },
        text=True,
        timeout=timeout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert not check or done.returncode == 0, done.stdout[-4000:]
    return done


def fork(function, *arguments) -> int:
    """Call a function in a fork of this process, which need not import anything.

    Returns:
        The number of the fork.
    """
    child = os.fork()
    if child:
        return child
    try:
        function(*arguments)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def be_one_of_two(rank, port):
    """Tell MMEngine's launcher that this is one of two processes."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK="0",
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )


@contextlib.contextmanager
def served(folder, handler=SimpleHTTPRequestHandler):
    """Address of a folder's files while a server runs."""
    handler = functools.partial(handler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def mim(*arguments, cwd=ROOT) -> str:
    """Run ``mim`` and return what it prints."""
    return run_python("-m", "mim", *arguments, cwd=cwd).stdout


def check_start(log):
    """A training shows its first step soon; what it runs is in its log file."""
    start = re.split(r"(?:Epoch|Iter)\(train\)", log)[0]
    assert start != log and start.count("\n") <= 200, start
    (path,) = re.findall(r"hooks are in (\S+\.log)", start)
    file = Path(path).read_text()
    assert re.search(r"train_dataloader ?= ?dict\(", file)
    assert "before_train_iter:" in file


@contextlib.contextmanager
def quick_configs():
    """Context where MMEngine writes configs as they are, and reads no index twice.

    A runner prints its config several times, and formatting takes up to a second. For
    each config with a base of a library, MMEngine reads all metafiles of that library.
    """

    def keep(text, **style):
        return text, False

    index = functools.cache(mmengine.config.utils._get_cfg_metainfo)
    with (
        mock.patch("mmengine.config.config.FormatCode", keep),
        mock.patch("mmengine.config.utils._get_cfg_metainfo", index),
    ):
        yield


def script_of_mim(verb, package, config, *arguments, cwd=ROOT) -> str:
    """Run in this process the script that ``mim`` starts: no imports to wait for.

    Args:
        verb: ``"train"`` or ``"test"``.
        package: Name that the library is imported by.
        config: Path of a config.
        arguments: What follows on the script's command line.
        cwd: Folder to run it in.

    Returns:
        What it prints.
    """
    library = Path(importlib.import_module(package).__file__).parent
    script = str(library / f".mim/tools/{verb}.py")
    words = [script, *map(str, (config, *arguments))]
    printed = io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stdout(printed),
    ):
        runpy.run_path(script, run_name="__main__")
    return printed.getvalue()
