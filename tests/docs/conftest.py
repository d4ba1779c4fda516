"""What tests of the pages share."""

import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def _as_committed():
    """Skips where a run has left other results or params: the pages are of the committed ones."""
    changed = ["git", "diff", "--quiet", "HEAD", "--", "metrics", "params.yaml", "dvc.lock"]
    if subprocess.run(changed, cwd=REPO, check=False).returncode:
        pytest.skip("metrics/ or params.yaml are not as committed: the pages are of other results")
