"""What guards a stage while it runs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.guard.alone import alone
from pipeline.guard.declared import declared_of
from pipeline.guard.lock_copy import keep_lock
from pipeline.guard.notes import expect_settled, expect_unchanged, take_notes
from pipeline.guard.own_code import expect_own_code

_KEPT = Path(".ckpt")
_RUNNING = _KEPT / "running"


@contextmanager
def guarded(
    stage: str, item: str, *, inputs: Iterable[Path], params: Path, since_ns: int
) -> Iterator[None]:
    """Run the block alone, with the code of this folder; fail if what it depends on changes.

    A block that fails has the last word. What is no stage of the graph, here, is not guarded.
    Meanwhile there is a copy of dvc.lock.

    Args:
        stage: the name of its module.
        item: of `foreach`; empty if it has none.
        inputs: files and folders that it reads.
        params: the params file.
        since_ns: when Python began to read the code.

    Raises:
        StageError: another process is at it, its code is not that of this folder, or something
            has changed.
    """
    declared = declared_of(stage, item, Path())
    if declared is None:
        yield
        return
    expect_own_code(declared.name, Path())
    with alone(declared.name, _RUNNING):
        before = take_notes(declared, inputs=inputs, params=params)
        expect_settled(declared.name, declared, since_ns=since_ns)
        keep_lock(Path(), _KEPT)
        yield
        after = take_notes(declared, inputs=inputs, params=params)
        expect_unchanged(declared.name, before, after)
