"""tools/thread_settings.py is in time, and leaves what a user has set."""

import os
import subprocess
import sys

import pytest

from tests.running import ROOT

# Ends where PyTorch would be loaded, or at last; tells the settings.
WATCH = """
import os, sys
sys.path.insert(0, "tools")

def stop():
    names = "GOMP_SPINCOUNT", "OMP_NUM_THREADS"
    sys.exit(" ".join(os.environ.get(name, "unset") for name in names))

class Watch:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            stop()

sys.meta_path.insert(0, Watch)
os.getloadavg = lambda: (float(sys.argv[2]), 0, 0)
tool = __import__(sys.argv[1])
tool.run = lambda *command: stop()
tool.main(["pose"])
"""


@pytest.mark.parametrize(
    ("tool", "load", "chosen", "found"),
    [
        ("predict", 100, {}, "10000 unset"),
        ("demo", 0.4, {}, "10000 unset"),
        ("demo", 100, {}, "10000 1"),
        ("demo", 100, {"GOMP_SPINCOUNT": "7"}, "7 unset"),
        ("demo", 100, {"OMP_NUM_THREADS": "3"}, "unset 3"),
        ("predict", 0, {"OMP_WAIT_POLICY": "ACTIVE"}, "unset unset"),
    ],
)
def test_threads_spare_others_unless_the_user_has_chosen(tool, load, chosen, found):
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OMP_", "GOMP_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCH, tool, str(load)],
        cwd=ROOT,
        env=others | chosen,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.stderr.splitlines()[-1] == found
