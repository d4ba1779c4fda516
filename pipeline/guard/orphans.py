"""No orphans: a stage ends with the dvc that started it, and its own processes end with it.

DVC asks no stage to end when it is itself ended: without this a stage would go on, unrecorded, and
keep the next `dvc repro` out. Linux alone can tell a process of its parent's death.
"""

import ctypes
import os
import select
import signal
import sys
import threading
from contextlib import suppress

import psutil

STAGE = "DVC_STAGE"
"""Of the environment: DVC sets it for the shells that it starts, and has none itself."""

_WORKER = "--multiprocessing-fork"
"""How Python calls the processes that share a stage's work; they import its package, too."""

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h; outlasts an `exec`, and no child inherits it


def end_with_starter() -> None:
    """Let this process end when the one that waits for it is gone, killed outright or not.

    To be called by the `__init__.py` of a package that `python -m` runs. What DVC starts is asked
    to end (SIGTERM). What a stage starts to share its work is ended, since it cannot go on. A
    stage that is run by hand is its shell's, and of `nohup`.
    """
    if sys.platform != "linux":
        return
    if _WORKER in sys.orig_argv:
        _end_with_parent(signal.SIGKILL)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # of a Ctrl-C the stage itself speaks
        if not _are_of_one_group(os.getpid(), os.getppid()):
            os._exit(1)
    elif sys.argv[0] == "-m" and "RANK" in os.environ:  # of a torchrun
        _end_with_parent(signal.SIGKILL)
    elif sys.argv[0] == "-m" and STAGE in os.environ:
        _end_with_dvc()


def _end_with_dvc() -> None:
    """DVC's shell has most often become this process; where it has not, a thread looks on."""
    shell = _topmost_shell()
    dvc = shell.ppid()
    if shell.pid == os.getpid():
        _end_with_parent(signal.SIGTERM)
    else:
        _look_on(dvc)
    if shell.ppid() != dvc or not _are_of_one_group(shell.pid, dvc):
        sys.exit(f"error: {os.environ[STAGE]}: the dvc that started it has ended; run it again")


def _topmost_shell() -> psutil.Process:
    """This process, or the shell that DVC started it in: that has the same environment."""
    process = psutil.Process()
    with suppress(psutil.Error):
        while (parent := process.parent()) and parent.environ().get(STAGE) == os.environ[STAGE]:
            process = parent
    return process


def _are_of_one_group(shell: int, dvc: int) -> bool:
    """What is started stays in its starter's group; whoever inherits an orphan is in another."""
    with suppress(ProcessLookupError):
        return os.getpgid(shell) == os.getpgid(dvc)
    return False


def _end_with_parent(number: signal.Signals) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def _look_on(dvc: int) -> None:
    with suppress(OSError):  # one that has ended just now is noticed by its child
        ended = os.pidfd_open(dvc)
        threading.Thread(target=_end_after, args=(ended,), daemon=True).start()


def _end_after(ended: int) -> None:
    select.select([ended], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
