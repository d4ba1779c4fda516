"""The same configuration under several seeds: queued, waited for, and read back."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.commands import dvc, git
from pipeline.errors import ExperimentError
from pipeline.experiments.queue import ended, enqueue
from pipeline.experiments.shown import FAILED, FINISHED, UNREADABLE, Experiment, show
from pipeline.experiments.spread import Metrics
from pipeline.tracking import progress
from pipeline.tracking.origin import CODE, flatten


def names_of(seed: int, count: int, params: Mapping[str, Any], commit: str) -> dict[int, str]:
    """Names of experiments by their seeds, which are `seed` and those after it.

    A name has a digest of the commit and of the params beside the seed, so that the same
    configuration has the same names, and no other configuration has.

    Raises:
        ExperimentError: fewer than one is asked for.
    """
    if count < 1:
        raise ExperimentError(f"{count} seeds asked for, expected at least 1")
    others = {name: value for name, value in flatten(params).items() if name != "seed"}
    text = json.dumps([commit, sorted(others.items())])
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return {one: f"seed-{one}-{digest}" for one in range(seed, seed + count)}


def head(root: Path) -> str:
    """The commit that experiments start from, once it is sure that it holds their code.

    Raises:
        ExperimentError: code differs from the commit.
    """
    changed = git("status", "--porcelain", "--", *CODE, root=root)
    if changed:
        raise ExperimentError(
            "code differs from the last commit, so runs under several seeds could differ in more "
            f"than their seed; commit it first:\n{changed.rstrip()}"
        )
    return git("rev-parse", "HEAD", root=root).strip()


def run_seeds(names: Mapping[int, str], *, jobs: int, root: Path) -> dict[int, Experiment]:
    """Run those experiments that are not finished; all of them as they stand then, by seed.

    One that had failed is tried again. What else waits in the queue is worked off, too.

    Raises:
        ExperimentError: DVC cannot read one that is there.
    """
    before = _by_seed(names, root)
    _expect_readable(before)
    for seed, name in names.items():
        if seed in before and before[seed].state == FAILED:
            dvc("queue", "remove", name, root=root)
        if seed not in before or before[seed].state == FAILED:
            enqueue(name, f"seed={seed}", root)
    finished = {seed for seed, one in before.items() if one.state == FINISHED}
    left = [name for seed, name in names.items() if seed not in finished]
    for _ in progress(
        ended(left, jobs=jobs, root=root), total=len(left), unit="seeds", label="run"
    ):
        pass
    return _by_seed(names, root)


def _expect_readable(experiments: Mapping[int, Experiment]) -> None:
    wrong = [one.name for one in experiments.values() if one.state == UNREADABLE]
    if wrong:
        raise ExperimentError(
            f"{', '.join(wrong)}: DVC cannot read what is there under this name; remove it: "
            f"dvc exp remove {' '.join(wrong)}; the same command then runs it anew"
        )


def _by_seed(names: Mapping[int, str], root: Path) -> dict[int, Experiment]:
    shown = {one.name: one for one in show(root, [])}
    return {seed: shown[name] for seed, name in names.items() if name in shown}


def results(experiments: Mapping[int, Experiment], file: str, root: Path) -> dict[int, Metrics]:
    """What a metrics file holds in the commits of finished experiments, by seed."""
    return {
        seed: json.loads(git("show", f"{one.revision}:{file}", root=root))
        for seed, one in experiments.items()
        if one.state == FINISHED
    }


def expect_all(names: Mapping[int, str], experiments: Mapping[int, Experiment]) -> None:
    """Make sure that no seed is missing.

    Raises:
        ExperimentError: some failed; says how to see why.
    """
    wrong = [
        f"seed {seed} is not finished; why: dvc queue logs {name}; once that is mended, the same "
        "command runs it again, alone"
        for seed, name in names.items()
        if seed not in experiments or experiments[seed].state != FINISHED
    ]
    if wrong:
        raise ExperimentError("\n".join(wrong))
