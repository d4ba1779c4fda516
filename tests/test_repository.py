"""What git keeps: text and a few small pictures, no package, data or weights."""

import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
MOST_BYTES = 1_000_000
KEPT_ELSEWHERE = {".whl", ".npy", ".parquet", ".safetensors", ".pt", ".pth", ".db", ".pyc"}


@pytest.fixture(scope="module")
def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, check=True, capture_output=True, text=True
    )
    return [REPO / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_is_large_or_made(tracked):
    there = [path for path in tracked if path.exists()]
    assert len(there) > 100
    assert [path for path in there if path.stat().st_size > MOST_BYTES] == []
    assert [path for path in there if path.suffix in KEPT_ELSEWHERE] == []
