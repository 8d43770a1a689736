"""Settings of PyTorch's threads for machines that run other programs, too.

Imported before PyTorch. In GNU's OpenMP, which PyTorch's wheels bring, a thread that
waits for others spins for milliseconds before it sleeps. On a busy machine it thereby
keeps those that it waits for from their cores, in each of a step's thousands of loops.
Here it spins for a fraction of that, unless the user has set a variable of OpenMP.
"""

import os

#: Whether the user has set a variable of OpenMP.
CHOSEN = any(name.startswith(("OMP_", "GOMP_")) for name in os.environ)
if not CHOSEN:
    os.environ["GOMP_SPINCOUNT"] = "10000"


def spare_busy_cores() -> None:
    """Have as many threads as there are idle cores, at least one, and say so."""
    busy = round(os.getloadavg()[0])  # of the last minute
    if busy and not CHOSEN:
        affinity = getattr(os, "sched_getaffinity", None)  # not on every system
        cores = len(affinity(0)) if affinity else os.cpu_count() or 1
        idle = max(1, cores - busy)
        os.environ["OMP_NUM_THREADS"] = str(idle)
        print(f"Other programs take {busy} cores: OMP_NUM_THREADS={idle}", flush=True)
