"""Real small disks and real read-only folders, where the system lets tests mount them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def mounted(*words: str) -> None:
    """Call `mount`; a test that may not is skipped."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is refused here: {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A disk of its own at `folder`, which is empty then."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        unmount(folder)


def grow(disk: Path, kib: int) -> None:
    """Make room on a small disk."""
    mounted("-o", f"remount,size={kib}k", str(disk))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """What lies in `folder`, which not even root may change there."""
    mounted("--bind", str(folder), str(folder))
    try:
        mounted("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        unmount(folder)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def without_shared_memory(command: str) -> tuple[str, ...]:
    """The words of a shell's command that runs where /dev/shm cannot be written."""
    hide = "mount -t tmpfs -o ro,size=4k tmpfs /dev/shm && ! touch /dev/shm/x 2> /dev/null"
    words = ("unshare", "--mount", "sh", "-c")
    done = subprocess.run([*words, hide], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no mounts of one's own here: {done.stderr.strip()}")
    return (*words, f"{hide}; exec {command}")
