"""Work that would be spread over processes, where the system has no memory for them to share."""

import sys

from tests.stages.conftest import REPO, run
from tests.stages.mounts import without_shared_memory

WORK = (
    "from pipeline.base.pool import map_ordered as m; print(sum(m(abs, range(-99, 0), workers=2)))"
)


def test_without_shared_memory_one_process_does_the_work_and_says_so():
    done = run(*without_shared_memory(f"'{sys.executable}' -c '{WORK}'"), cwd=REPO)
    assert done.stdout.split() == ["4950"]
    assert (
        "works in one process, for /dev/shm cannot be used: Read-only file system" in done.stderr
    )
