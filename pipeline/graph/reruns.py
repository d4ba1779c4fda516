"""Which stages run again when a param changes, by DVC's own graph, and the table that says so."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from dvc.repo.reproduce import plan_repro

from pipeline.errors import ArtifactError
from pipeline.graph.code_deps import BESIDE, CHECK, INERT, ROOMS
from pipeline.graph.index import covers, params_of, paths_of, read_index
from pipeline.params.whole import Params, load_params
from pipeline.tracking.origin import flat_params

Reruns = dict[str, tuple[str, ...]]
"""By the dotted name of each leaf of params.yaml, stages in the graph's order."""

PAGE = "docs/pipeline.md"
"""Where the table of params stands."""

MARKERS = ("<!-- Written by `make graph`: -->", "<!-- End of what `make graph` writes. -->")
"""The lines of `PAGE` that the table stands between."""

_ROOMS_PAGE = """# What an edit of code runs again

This page answers: which stages run again when I edit a file of the code?

A stage depends on whole rooms (folders of `pipeline/`), and on its own file in `stages/`. The
table names the stages that run at most: one whose inputs come out as they were is skipped.
`cxr graph` writes this page from DVC's own graph; a test edits a file of each room and asks DVC.

[The pipeline](pipeline.md#what-a-change-runs-again) says what a change of `params.yaml` runs
again.
"""

_ANY = "<member>"  # stands in the table for the name of any


def find_reruns(root: Path) -> Reruns:
    """Stages that run again after a change of each leaf of params.yaml below `root`.

    These are the stages that declare it, and what DVC plans to run after them. `check` declares
    all and is left out: it writes what it wrote before, unless a cascade comes or goes, and
    nothing follows. Nor does anything from stages that are idle with these params.
    """
    index = read_index(root)
    params = root / "params.yaml"
    silent = {CHECK, *idle_stages(load_params(params))}
    graph = index.graph.copy()
    graph.remove_edges_from([edge for edge in index.graph.edges if edge[1].name in silent])
    stages = [stage for stage in index.stages if stage.name != CHECK]
    reruns = {}
    for leaf in flat_params(params):
        direct = [stage for stage in stages if covers(params_of(stage), leaf)]
        plan = plan_repro(graph, direct, downstream=True) if direct else []
        reruns[leaf] = tuple(stage.name for stage in stages if stage in plan)
    return reruns


def find_room_reruns(root: Path) -> Reruns:
    """Stages that run again after an edit in each room, by its folder, `check` among them.

    Nothing follows from `check`, nor from stages that are idle with the params of `root`.
    """
    index = read_index(root)
    silent = {CHECK, *idle_stages(load_params(root / "params.yaml"))}
    graph = index.graph.copy()
    graph.remove_edges_from([edge for edge in index.graph.edges if edge[1].name in silent])
    reruns = {}
    for room in (*ROOMS, *BESIDE, *INERT):
        direct = [stage for stage in index.stages if room in paths_of(stage)]
        plan = plan_repro(graph, direct, downstream=True) if direct else []
        reruns[room.rstrip("/")] = tuple(one.name for one in index.stages if one in plan)
    return reruns


def render_room_reruns(reruns: Reruns, members: list[str]) -> str:
    """The page `docs/rooms.md`; rooms of which the same holds share a row."""
    rows = defaultdict(list)
    for room, stages in reruns.items():
        rows[stages].append(room)
    lines = [
        f"| {_code(rooms)} | {_in_words(stages, members)} |"
        for stages, rooms in sorted(rows.items(), key=lambda row: len(row[0]))
    ]
    head = [_ROOMS_PAGE, "| you edit a file in | DVC runs again |", "|---|---|"]
    return "\n".join([*head, *lines, ""])


def idle_stages(params: Params) -> list[str]:
    """Stages that have nothing to do: there is no CapsNet to pretrain without a cascade."""
    members = params.members.values()
    needed = any(any(member.cascades.values()) for member in members)
    return [] if needed else ["pretrain_capsnet"]


def render_reruns(reruns: Reruns, members: list[str]) -> str:
    """The table in Markdown; leaves, and members, of which the same holds share a row."""
    rows = defaultdict(list)
    sections = defaultdict(set)
    for leaf in reruns:
        sections[leaf.partition(".")[0]].add(leaf)
    for leaf, stages in _alike(reruns, members).items():
        rows[stages].append(leaf)
    lines = ["| you change | DVC runs again |", "|---|---|"]
    for stages in sorted(rows, key=len):
        keys = _joined(rows[stages], sections)
        lines.append(f"| {_code(keys)} | {_in_words(stages, members)} |")
    return "\n".join(lines)


def rewrite_reruns(page: str, table: str) -> str:
    """The text of `PAGE` with `table` between the markers; all else untouched.

    Raises:
        ArtifactError: the markers are not there, once each and in order.
    """
    first, last = MARKERS
    before, opened, rest = page.partition(f"{first}\n")
    _, closed, after = rest.partition(f"{last}\n")
    if not (opened and closed) or page.count(first) > 1 or page.count(last) > 1:
        raise ArtifactError(f"{PAGE}: expected a line {first} and, below it, a line {last}")
    return f"{before}{first}\n\n{table}\n\n{last}\n{after}"


def _alike(reruns: Reruns, members: list[str]) -> Reruns:
    """With one entry for what holds of every member alike, and members' own stages as theirs."""
    kinds = defaultdict(set)
    for leaf, stages in reruns.items():
        member, _, key = leaf.partition(".")
        if member in members:
            kinds[key].add(_of_any(stages, member))
    alike = {}
    for leaf, stages in reruns.items():
        member, _, key = leaf.partition(".")
        shared = member in members and len(kinds[key]) == 1
        own = _of_any(stages, member) if member in members else stages
        alike[f"{_ANY}.{key}" if shared else leaf] = own
    return alike


def _of_any(stages: tuple[str, ...], member: str) -> tuple[str, ...]:
    return tuple(stage.replace(f"@{member}", f"@{_ANY}") for stage in stages)


def _joined(leaves: list[str], sections: Mapping[str, set[str]]) -> list[str]:
    """`train.*` in place of all the leaves of a section of params.yaml."""
    names: dict[str, None] = {}
    for leaf in leaves:
        section = leaf.partition(".")[0]
        whole = len(sections.get(section, ())) > 1 and sections[section] <= {*leaves}
        names[f"{section}.*" if whole else leaf] = None
    return list(names)


def _in_words(stages: tuple[str, ...], members: list[str]) -> str:
    """In the graph's order: stages of all members as every `train_global`."""
    names: dict[str, str] = {}
    for stage in stages:
        base, _, member = stage.partition("@")
        if member == _ANY:
            names[base] = "its "
        elif member and all(f"{base}@{name}" in stages for name in members):
            names[base] = "every "
        else:
            names[stage] = ""
    groups = groupby(names.items(), key=itemgetter(1))
    return "; ".join(word + _code(dict(group)) for word, group in groups) or "nothing"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
