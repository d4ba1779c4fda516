"""How many cores this process may use."""

import os


def cores() -> int:
    """Those that it is allowed on where the system says so, else all of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """How many threads of this process compute: `OMP_NUM_THREADS`, else one per core.

    Processes that torchrun has started on one machine share its cores.
    """
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if said.isdigit() and int(said) > 0:
        return int(said)
    return max(cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)
