"""dvc.yaml tells the truth: a stage imports, reads and writes what it declares.

Four claims, each a function from the graph and the code to a list of faults; each is shown to
hold for this repository, and to fail on a copy in which it was broken.
"""

import ast
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, get_origin

import networkx as nx
import pytest
import yaml

from pipeline.graph.code_deps import BESIDE, CHECK, PARAMS, ROOMS, code_deps, rewrite_code_deps
from pipeline.guard.declared import is_code
from pipeline.params.whole import load_params

REPO = Path(__file__).parents[1]
AFTER_CHECK = "data/checked"  # waited for, not read
LOGIC = (ast.If, ast.IfExp, ast.For, ast.While, ast.Try, ast.Match, ast.comprehension)

Graph = dict[str, dict[str, Any]]


def read_graph(root: Path) -> Graph:
    """Stages by name, `foreach` bodies unwrapped."""
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def paths(entries: list[Any]) -> list[str]:
    """Paths of deps or outs, some of which carry options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def outs(stage: dict[str, Any]) -> list[str]:
    return paths([*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])])


def parse_main(name: str, root: Path) -> tuple[ast.Module, ast.FunctionDef]:
    tree = ast.parse((root / f"stages/{name}.py").read_text())
    return tree, next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")


def options(main: ast.FunctionDef) -> dict[str, set[str]]:
    """Names of the command line's options by the kind of their annotation."""
    kinds: dict[str, set[str]] = {}
    for arg in main.args.args:
        kinds.setdefault(ast.unparse(arg.annotation), set()).add(arg.arg.replace("_", "-"))
    return kinds


def given_options(stage: dict[str, Any]) -> list[tuple[str, str]]:
    """Options and their values in `cmd`."""
    words = shlex.split(stage["cmd"])
    return list(zip(words[3::2], words[4::2], strict=True))


def faults_of_code(name: str, stage: dict[str, Any], root: Path) -> list[str]:
    """(a) The code deps are exactly the rooms that the stage imports from, directly or not."""
    declared = {dep for dep in stage["deps"] if is_code(dep)}
    real = set(code_deps(name, root))
    return [f"{path}: not declared" for path in real - declared] + [
        f"{path}: not used" for path in declared - real
    ]


def faults_of_paths(name: str, stage: dict[str, Any], root: Path) -> list[str]:
    """(b) The paths in `cmd` are the data deps and outs, each behind an option of its kind."""
    if shlex.split(stage["cmd"])[:3] != ["python", "-m", f"stages.{name}"]:
        return [f"cmd does not run stages.{name}"]
    given = given_options(stage)
    kinds = options(parse_main(name, root)[1])
    read = {f"--{option}" for option in kinds.get("Dep", ())}
    written = {f"--{option}" for option in kinds.get("Out", ())}
    data = [dep for dep in paths(stage["deps"]) if not is_code(dep) and dep != AFTER_CHECK]
    found = [
        ("deps", sorted(data), sorted(path for option, path in given if option in read)),
        ("outs", sorted(outs(stage)), sorted(path for option, path in given if option in written)),
    ]
    return [f"{kind}: declared {a}, in cmd {b}" for kind, a, b in found if a != b]


def faults_of_params(name: str, stage: dict[str, Any], root: Path) -> list[str]:
    """(c) The declared params are exactly the sections that the stage reads, and of a member's
    section exactly the keys: `cfg.members[member].global_`, run with `--member ${item}`, is
    `${item}.global`. Of a section of which it reads keys alone, these may be declared. A key that
    its command line is filled in with is read, too. What `check` does depends on the whole file,
    read or not.
    """
    if name == CHECK:
        return [] if stage["params"] == [{"params.yaml": None}] else ["not the whole file"]
    tree, _ = parse_main(name, root)
    words = {option[2:]: word for option, word in given_options(stage)}
    declared = {str(entry) for entry in stage.get("params", [])}
    read = {declared_as(chain, words, declared) for chain in chains_of_cfg(tree)}
    read |= {key for key in filled_in(stage["cmd"]) if key.partition(".")[0] not in read}
    return [f"{key}: not declared" for key in read - declared] + [
        f"{key}: not read" for key in declared - read
    ]


def filled_in(cmd: str) -> set[str]:
    """Keys of params.yaml in a command line, `${ingest.source}`."""
    return set(re.findall(r"\$\{([\w.]+)\}", cmd)) - {"item"}


def chains_of_cfg(tree: ast.Module) -> list[list[str]]:
    """What is read of `cfg`, as far as it is spelt: `cfg.members[member].global_` is
    `["members", "[member]", "global"]`."""
    links = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute | ast.Subscript)]
    inner = {id(link.value) for link in links}
    chains = [chain_of(link) for link in links if id(link) not in inner]
    bare = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "cfg"]
    loads = [n for n in bare if isinstance(n.ctx, ast.Load) and id(n) not in inner]
    return [chain[1:] for chain in chains if chain[0] == "cfg"] + [["cfg"] for _ in loads]


def chain_of(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Attribute):
        return [*chain_of(node.value), node.attr.removesuffix("_")]
    if isinstance(node, ast.Subscript):
        return [*chain_of(node.value), f"[{ast.unparse(node.slice)}]"]
    return [node.id if isinstance(node, ast.Name) else "?"]


def declared_as(chain: list[str], words: dict[str, str], declared: set[str]) -> str:
    """The entry of `params:` for what is read: of a section the key, where that is declared."""
    if chain[0] != "members":
        key = ".".join(chain)
        return key if key in declared else chain[0]
    index, *keys = chain[1:] or ["[?]"]
    return ".".join([words.get(index[1:-1], f"a member {index}"), *keys])


def faults_of_logic(name: str, stage: dict[str, Any], root: Path) -> list[str]:
    """(d) A stage's `main` has no logic; its module has nothing beside `main`."""
    tree, main = parse_main(name, root)
    logic = [f"line {getattr(n, 'lineno', '?')}" for n in ast.walk(main) if isinstance(n, LOGIC)]
    others = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return logic + [f"{other} beside main" for other in others if other != "main"]


CLAIMS = {
    "code": faults_of_code,
    "paths": faults_of_paths,
    "params": faults_of_params,
    "logic": faults_of_logic,
}
STAGES = read_graph(REPO)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("claim", CLAIMS)
def test_the_graph_is_what_the_code_does(claim, name):
    assert CLAIMS[claim](name, STAGES[name], REPO) == []


BROKEN = {
    "code": [
        (
            "stages/split.py",
            "import load_params",
            "import load_params\nimport pipeline.graph.code_deps",
        ),
        (
            "dvc.yaml",
            "    - stages/iou.py\n",
            "    - stages/iou.py\n    - pipeline/graph\n",
        ),
        ("dvc.yaml", "    - pipeline/params\n", ""),  # check refuses by these
        ("dvc.yaml", "    - pipeline/networks\n", ""),
    ],
    "paths": [
        ("dvc.yaml", " --lists data/cache/lists.parquet", ""),
        ("dvc.yaml", "--out data/splits.parquet", "--out data/split.parquet"),
    ],
    "params": [
        ("stages/iou.py", "cfg.iou", "cfg.train"),
        ("dvc.yaml", "params: [split]", "params: [seed, split]"),
        ("dvc.yaml", "[train.flip_at_predict, heatmap", "[train.standardise, heatmap"),
        ("dvc.yaml", "[train.flip_at_predict, heatmap", "[heatmap"),
        ("stages/extract_crops.py", "cfg.train.flip_at_predict", "cfg.train"),
        ("dvc.yaml", "params: [split]", "params: [params.yaml: ]"),
        ("dvc.yaml", "params:\n    - params.yaml:\n", "params: [ingest]\n"),
        ("dvc.yaml", "params: [ensemble, fusion]", "params: [ensemble, fusion, iou]"),
        # of a member: a key that is not declared, not read, another's, and all of them
        ("dvc.yaml", '"${item}.global", ', ""),
        ("dvc.yaml", '"${item}.weights.global", ', ""),
        ("dvc.yaml", '"${item}.weights.global"', '"${item}.weights"'),
        ("dvc.yaml", '"${item}.weights.global"', '"${item}.weights.global", "${item}.local"'),
        ("dvc.yaml", '"${item}.global"', '"${item}"'),
        ("dvc.yaml", '"${item}.local"', '"model.local"'),
        ("stages/train_global.py", "cfg.members[member].global_", "cfg.members[member].local"),
        ("stages/train_global.py", ".weights.global_", ".weights.local"),
        ("stages/train_local.py", ".weights.local", ".weights"),
        ("stages/train_local.py", "cfg.members[member].local", 'cfg.members["model"].local'),
        ("stages/train_global.py", "cfg.members[member].global_", "cfg.members"),
        ("stages/train_fusion.py", "cfg.seed", "cfg.members[member]"),
        ("stages/train_fusion.py", "cfg.seed", "cfg"),
    ],
    "logic": [
        ("stages/split.py", "    cfg = ", "    if params:\n        pass\n    cfg = "),
        ("stages/split.py", "def main(", "def helper() -> None:\n    pass\n\n\ndef main("),
    ],
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The code and the graph, in a folder of their own; who changes a file puts it back."""
    root = tmp_path_factory.mktemp("copied")
    for folder in ("pipeline", "stages"):
        shutil.copytree(REPO / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "dvc.yaml", root)
    return root


@pytest.fixture
def changed(copied):
    """Writes another text into a file of the copy, until the test ends."""
    kept = {}

    def change(file, text):
        kept.setdefault(file, (copied / file).read_text())
        (copied / file).write_text(text)
        return copied

    yield change
    for file, text in kept.items():
        (copied / file).write_text(text)


@pytest.mark.parametrize(
    ("claim", "file", "old", "new"),
    [(claim, *change) for claim, changes in BROKEN.items() for change in changes],
)
def test_each_claim_fails_when_it_is_broken(changed, claim, file, old, new):
    text = (REPO / file).read_text()
    assert old in text
    root = changed(file, text.replace(old, new, 1))
    graph = read_graph(root)
    assert [fault for name in graph for fault in CLAIMS[claim](name, graph[name], root)]
    others = [c for c in CLAIMS if c != claim]
    assert not [f for c in others for name in graph for f in CLAIMS[c](name, graph[name], root)]


def roots(graph: Graph) -> list[str]:
    """Stages that wait for no other, wherever the radiographs come from."""
    made = [out for stage in graph.values() for out in outs(stage)]
    return [
        name
        for name, stage in graph.items()
        if not any(f"{out}/".startswith(f"{dep}/") for dep in paths(stage["deps"]) for out in made)
    ]


SHARED = {"__init__", "options", "training"}
"""Modules of stages/ that are none: what stages share."""


def test_what_is_in_stages_is_a_stage():
    assert {f.stem for f in (REPO / "stages").glob("*.py")} - SHARED == {*STAGES}


def test_pipeline_never_imports_stages():
    texts = {f: f.read_text() for f in (REPO / "pipeline").rglob("*.py")}
    assert [f for f, t in texts.items() if re.search(r"^\s*(?:from|import) stages", t, re.M)] == []


def test_every_other_stage_comes_after_check():
    assert roots(STAGES) == [CHECK]


@pytest.mark.parametrize("name", ["phantom", "ingest"])
def test_a_stage_that_does_not_wait_for_check_is_found(name):
    graph = read_graph(REPO)
    graph[name]["deps"].remove(AFTER_CHECK)
    assert roots(graph) == [CHECK, name]


def test_the_graph_command_restores_the_code_deps_and_nothing_else():
    text = (REPO / "dvc.yaml").read_text()
    assert rewrite_code_deps(text, REPO) == text
    spoilt = re.sub(r"^ +- pipeline/base\n", "", text, flags=re.M)
    assert spoilt != text
    assert rewrite_code_deps(spoilt, REPO) == text


# Imports the stages one after the other, forgetting this repository's modules in between.
LOADED = """
import importlib, json, sys
loaded = {}
for name in sys.argv[1:]:
    for module in [m for m in sys.modules if m.split(".")[0] in ("pipeline", "stages")]:
        del sys.modules[module]
    importlib.import_module(f"stages.{name}")
    ours = [m for n, m in sys.modules.items() if n.split(".")[0] in ("pipeline", "stages")]
    loaded[name] = [m.__file__ for m in ours]
print(json.dumps(loaded))
"""


def test_what_python_really_imports_is_declared():
    """An oracle that shares no code with the import walk: ask the interpreter."""
    command = [sys.executable, "-c", LOADED, *STAGES]
    done = subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True)
    exempt = re.compile(r"pipeline/errors\.py|pipeline/(params|tracking|guard)/.*")
    for name, files in json.loads(done.stdout).items():
        ours = {Path(file).relative_to(REPO).as_posix() for file in files}
        code = {f for f in ours if "__init__" not in f and not exempt.fullmatch(f)}
        declared = code_deps(name, REPO)
        assert [f for f in code if not any(f"{f}/".startswith(f"{d}/") for d in declared)] == []


WALK = [*ROOMS, *BESIDE]


def imports_against_the_walk(root: Path) -> list[str]:
    """Imports of a room from one behind it; what is inert has no place in the walk."""
    wrong = []
    for module in sorted((root / "pipeline").rglob("*.py")):
        name = module.relative_to(root).as_posix()
        here = place_of(name)
        names = re.findall(r"^\s*(?:from|import) (pipeline[.\w]*)", module.read_text(), re.M)
        wrong += [
            f"{name}: {other}"
            for other in names
            if here is not None and (place_of(other.replace(".", "/")) or 0) > here
        ]
    return wrong


def place_of(name: str) -> int | None:
    places = [n for n, room in enumerate(WALK) if f"{name}/".startswith(f"{room}/")]
    return places[0] if places else None


def test_a_room_imports_only_rooms_before_it():
    assert imports_against_the_walk(REPO) == []


def test_an_import_against_the_walk_is_found(changed):
    file = "pipeline/networks/rows.py"
    root = changed(file, (REPO / file).read_text() + "\nfrom pipeline.fusion.head import Fusion\n")
    assert imports_against_the_walk(root) == ["pipeline/networks/rows.py: pipeline.fusion.head"]


def test_every_module_is_in_a_room_or_is_inert():
    inert = ("pipeline/errors.py", "pipeline/tracking/", "pipeline/guard/")
    names = [f.relative_to(REPO).as_posix() for f in (REPO / "pipeline").rglob("*.py")]
    modules = [name for name in names if not name.endswith("__init__.py")]
    assert [n for n in modules if place_of(n) is None and not n.startswith(inert)] == []


def circles(root: Path) -> list[list[str]]:
    """Modules, and folders, that import each other in a circle."""
    modules = {
        f.relative_to(root).with_suffix("").as_posix().replace("/", "."): f
        for f in (root / "pipeline").rglob("*.py")
        if f.name != "__init__.py"
    }
    graph = nx.DiGraph()
    folders = nx.DiGraph()
    for name, file in modules.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            for full in (node.module, *(f"{node.module}.{one.name}" for one in node.names)):
                if full in modules:
                    graph.add_edge(name, full)
                    ends = [end.rpartition(".")[0] for end in (name, full)]
                    folders.add_edges_from([ends] if ends[0] != ends[1] else [])
    parts = [*nx.strongly_connected_components(graph), *nx.strongly_connected_components(folders)]
    return [sorted(part) for part in parts if len(part) > 1]


def test_imports_have_no_circle():
    assert circles(REPO) == []


def test_no_folder_has_more_than_sixteen_modules_and_none_is_loose():
    files = [f.relative_to(REPO) for f in (REPO / "pipeline").rglob("*.py")]
    counts = Counter(f.parent.as_posix() for f in files if f.name != "__init__.py")
    assert max(counts.values()) <= 16
    assert counts["pipeline"] == 1  # errors


def test_no_two_modules_have_one_name():
    files = [f.relative_to(REPO) for f in (REPO / "pipeline").rglob("*.py")]
    names = [f.stem for f in files if f.name != "__init__.py" and f.parts[1] != "commands"]
    assert [name for name, count in Counter(names).items() if count > 1] == []


FIRST_OF_ALL = (
    "import os",
    "import time",
    "os.environ['CXR_STARTED_NS'] = str(time.time_ns() - 10000000)",
    "from pipeline.guard.huge_pages import start_with_huge_pages",
    "from pipeline.guard.orphans import end_with_starter",
    "from pipeline.guard.thread_waits import let_threads_sleep",
    "let_threads_sleep()",
    "start_with_huge_pages()",
    "end_with_starter()",
)


def test_init_files_hold_nothing_but_a_docstring():
    for folder in ("pipeline", "stages"):
        for file in (REPO / folder).rglob("__init__.py"):
            # Its names are its interface: it changes no output, or waits to be asked.
            if file.parent.name in ("tracking", "predict", "registry"):
                continue
            body = [ast.unparse(statement) for statement in ast.parse(file.read_text()).body]
            if file == REPO / "stages/__init__.py":
                # Neither the time, nor how threads wait, nor pages of memory change an output.
                body = [line for line in body if line not in FIRST_OF_ALL]
            assert len(body) <= 1, file


def test_only_tracking_knows_mlflow_and_the_progress_bar():
    files = [*(REPO / "pipeline").rglob("*.py"), *(REPO / "stages").rglob("*.py")]
    knowing = {
        file.relative_to(REPO).as_posix()
        for file in files
        if re.search(r"^\s*(?:from|import) (?:mlflow|tqdm)", file.read_text(), re.M)
    }
    assert all(name.startswith("pipeline/tracking") for name in knowing)


GIVEN_BY_TRACKING = {
    "Shown", "progress",  # a look: `watched` never shows it an item
    "run_id",  # under which a snapshot is told of again
    "stage", "options", "is_first_process",  # of the command line
}  # fmt: skip
"""Names of `pipeline.tracking` whose value a stage or a room may take."""


def values_of_tracking(file: Path) -> set[str]:
    """Names of tracking that are called for what they return."""
    tree = ast.parse(file.read_text())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "tracking"
    ]
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {call.func.attr for call in calls if id(call) not in alone}


def test_no_output_is_made_of_what_tracking_gives():
    rooms = [f for room in ROOMS for f in (REPO / room).rglob("*.py")]
    files = [*rooms, *(REPO / "stages").glob("*.py")]
    taken = {file.name: values_of_tracking(file) - GIVEN_BY_TRACKING for file in files}
    assert {name: found for name, found in taken.items() if found} == {}


def test_a_value_of_tracking_is_found(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("rows = list(tracking.follow(rows))\ntracking.log_metrics({})\n")
    assert values_of_tracking(file) == {"follow"}


def test_rooms_take_types_of_params_and_no_values():
    """Values are tracked as `params:` of a stage; `pipeline/params/` is no dependency of it."""
    wrong = []
    for room in [room for room in ROOMS if room != PARAMS]:
        for file in (REPO / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                if module.startswith("pipeline.params"):
                    found = importlib.import_module(module)
                    values = [getattr(found, one.name) for one in node.names]
                    wrong += [(file.name, v) for v in values if not is_type_or_reader(v)]
    assert wrong == []


def is_type_or_reader(value: Any) -> bool:
    return isinstance(value, type) or get_origin(value) is not None or value is load_params
