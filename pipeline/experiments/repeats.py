"""The same configuration under several seeds: queued, waited for, and read back."""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.lock_file import locked_stages
from pipeline.base.watching import watched
from pipeline.errors import ExperimentError
from pipeline.experiments.exp_show import FAILED, FINISHED, UNREADABLE, Experiment, show
from pipeline.experiments.queue import ended, enqueue
from pipeline.experiments.spread import Metrics
from pipeline.graph.dvc_commands import dvc, git
from pipeline.tracking import progress
from pipeline.tracking.origin import CODE, flatten

log = logging.getLogger(__name__)


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
    waiting = ended(left, jobs=jobs, root=root)
    try:
        for _ in watched(waiting, progress(total=len(left), unit="seeds", label="run")):
            pass
    except KeyboardInterrupt:
        log.warning(
            "no longer waited for; what runs goes on in the background, and the same command "
            "waits on. To let nothing else of the queue start: dvc queue stop; to end what runs: "
            "dvc queue stop --kill"
        )
        raise
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


def expect_same_data(experiments: Mapping[int, Experiment], root: Path) -> None:
    """Make sure that finished seeds read the same data, of which no name can tell.

    Raises:
        ExperimentError: they did not, so that their spread would not be that of training.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in experiments.values():
        if one.state == FINISHED:
            lock = yaml.safe_load(git("show", f"{one.revision}:dvc.lock", root=root))
            for path, digest in read_from_outside(lock).items():
                found[path][digest].append(one.name)
    for path, groups in found.items():
        if len(groups) > 1:
            parts = [" ".join(names) for names in groups.values()]
            raise ExperimentError(
                f"{path} was not the same for all seeds, so their spread would be that of data, "
                "too; of these groups, keep that of the data that you mean: "
                f"{' | '.join(parts)}; remove the others, dvc exp remove {parts[-1]} for one, and "
                "the same command runs them anew"
            )


def read_from_outside(lock: Mapping[str, Any]) -> dict[str, str]:
    """Digests of what stages read and no stage writes, by path, as dvc.lock holds them."""
    stages = locked_stages(lock).values()
    written = [f"{out['path']}/" for stage in stages for out in stage.get("outs", [])]
    deps = {dep["path"]: dep.get("md5", "") for stage in stages for dep in stage.get("deps", [])}

    def is_made(path: str) -> bool:
        # a file of a folder that is written, or a folder of several that are
        return any(out.startswith(f"{path}/") or f"{path}/".startswith(out) for out in written)

    return {path: digest for path, digest in deps.items() if not is_made(path)}


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
