"""A stage's process takes its memory in huge pages, and is otherwise the process it was."""

import os
import subprocess
import sys

import pytest

from pipeline.guard import huge_pages
from pipeline.guard.huge_pages import HUGE_PAGES, TUNABLES, start_with_huge_pages

REPO = huge_pages.__file__.split("/pipeline/guard/")[0]
OFFERED = huge_pages._are_offered()
PACKAGE = "from pipeline.guard.huge_pages import start_with_huge_pages\nstart_with_huge_pages()\n"
MODULE = """
import os, sys
block = b"\\1" * (64 << 20)
(huge,) = [line.split()[1] for line in open("/proc/self/smaps_rollup") if "AnonHuge" in line]
print(os.getpid(), huge, os.environ.get("GLIBC_TUNABLES"), sys.flags.utf8_mode, *sys.argv[1:])
sys.exit(3)
"""


@pytest.fixture
def started(tmp_path):
    """Runs a package as `python -m` does: pid, kB in huge pages, tunables, a flag, the words."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/__init__.py").write_text(PACKAGE)
    (tmp_path / "work/step.py").write_text(MODULE)

    def start(*words, code=("-m", "work.step"), **env):
        usual = {name: value for name, value in os.environ.items() if name != TUNABLES}
        process = subprocess.Popen(
            [sys.executable, "-X", "utf8", *code, *words],
            cwd=tmp_path,
            env=usual | {"PYTHONPATH": REPO} | env,
            stdout=subprocess.PIPE,
            text=True,
        )
        told, _ = process.communicate()
        assert process.returncode == 3
        pid, huge, tunables, flag, *rest = told.splitlines()[-1].split(" ")
        assert (int(pid), flag) == (process.pid, "1")
        return int(huge), tunables, rest

    return start


@pytest.mark.skipif(not OFFERED, reason="this system offers no huge pages")
def test_a_stage_has_huge_pages_its_number_its_flags_and_its_words(started):
    huge, tunables, words = started("--member", "a", "--out=ä")
    assert (tunables, words) == (HUGE_PAGES, ["--member", "a", "--out=ä"])
    assert huge > 32 << 10


def test_whoever_set_tunables_keeps_them(started):
    own = "glibc.malloc.arena_max=3"
    assert started(GLIBC_TUNABLES=own)[1] == own


def test_code_that_imports_a_stage_stays_the_process_it_is(started):
    assert started(code=("-c", "import work.step"))[1] == "None"


@pytest.mark.parametrize(
    ("kernel", "starts"),
    [
        ("always [madvise] never\n", 1),
        ("[always] madvise never\n", 1),
        ("always madvise [never]\n", 0),
        (None, 0),
    ],
)
def test_it_starts_anew_where_linux_offers_huge_pages(tmp_path, monkeypatch, kernel, starts):
    offered = tmp_path / "enabled"
    if kernel:
        offered.write_text(kernel)
    calls = []
    monkeypatch.setattr(huge_pages, "_OFFERED", offered)
    monkeypatch.setattr(huge_pages.os, "execve", lambda *words: calls.append(words))
    monkeypatch.setattr(sys, "argv", ["-m"])
    monkeypatch.delenv(TUNABLES, raising=False)
    start_with_huge_pages()
    assert len(calls) == starts


def test_a_process_that_cannot_start_anew_goes_on(tmp_path, monkeypatch):
    def refused(*words):
        raise OSError("text file busy")

    (tmp_path / "enabled").write_text("[always] madvise never\n")
    monkeypatch.setattr(huge_pages, "_OFFERED", tmp_path / "enabled")
    monkeypatch.setattr(huge_pages.os, "execve", refused)
    monkeypatch.setattr(sys, "argv", ["-m"])
    monkeypatch.delenv(TUNABLES, raising=False)
    start_with_huge_pages()
    assert TUNABLES not in os.environ
