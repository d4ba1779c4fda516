"""What an attacker could give: code in data, a shell's words in params, markup, other packages."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from pipeline.params.names import member_name, plain_path

REPO = Path(__file__).parents[1]
PYTHON = sorted(
    file for name in ("pipeline", "stages", "benchmarks") for file in (REPO / name).rglob("*.py")
)
PAGES = sorted(
    file for end in ("jinja", "js", "html") for file in (REPO / "pipeline").rglob(f"*.{end}")
)

NEVER = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads",
    "shelve.open", "joblib.load", "dill.load", "dill.loads", "pd.read_pickle", "eval", "exec",
    "compile", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load",
}  # fmt: skip
"""Calls that run what data say, or a shell."""

NEVER_OF_ANYTHING = {"extract", "extractall"}
"""Methods that write files where an archive says; pandas has an `extract`, of a column's text."""

SAFE = {
    "torch.load": lambda words: words.get("weights_only") == "True",
    "np.load": lambda words: words.get("allow_pickle", "False") == "False",
    "yaml.load": lambda words: "SafeLoader" in words.get("Loader", ""),
}
"""Calls that are safe only with some words."""


def unsafe_calls(text: str) -> list[str]:
    """Calls in Python code that could run what data say."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, method = called.rpartition(".")
        words = {word.arg: ast.unparse(word.value) for word in node.keywords}
        of_archive = method in NEVER_OF_ANYTHING and not owner.endswith(".str")
        unsafe = called in SAFE and not SAFE[called](words)
        if called in NEVER or of_archive or unsafe or words.get("shell", "False") != "False":
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def test_no_code_unpickles_evaluates_unpacks_or_asks_a_shell():
    assert len(PYTHON) > 200
    found = {str(file.relative_to(REPO)): unsafe_calls(file.read_text()) for file in PYTHON}
    ruamel = found.pop("pipeline/graph/code_deps.py")  # whose own loader makes no objects
    assert [call.partition(": ")[2] for call in ruamel] == ["yaml.load(dvc_yaml)"]
    assert {file: calls for file, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "call",
    [
        "pickle.loads(b)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text)",
        "eval(text)",
        "tar.extractall(folder)",
        "tarfile.open(path).extract(name)",
        "subprocess.run(words, shell=True)",
        "os.system(words)",
    ],
)
def test_a_call_that_could_is_found(call):
    assert unsafe_calls(call) == [f"line 1: {call}"]


def test_no_page_takes_a_string_for_markup():
    assert len(PAGES) > 15
    markup = r"\|\s*safe\b|innerHTML|outerHTML|insertAdjacentHTML|document\.write|autoescape"
    for page in PAGES:
        assert re.findall(markup, page.read_text()) == [], page
    made = {
        str(file.relative_to(REPO)): calls
        for file in PYTHON
        if (
            calls := re.findall(
                r"(?:Markup|Environment|Template)\((?!Protocol).*", file.read_text()
            )
        )
    }
    assert made == {
        "pipeline/results/report/pages.py": [
            "Environment(", r'Markup(text.replace("<", "\\u003c"))'
        ]
    }  # fmt: skip
    assert "autoescape=True" in (REPO / "pipeline/results/report/pages.py").read_text()


def test_only_two_things_of_the_params_reach_a_shell():
    """DVC puts them into a command before any stage can look at them, so `check` comes first."""
    stages = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"]
    bodies = {name: stage.get("do", stage) for name, stage in stages.items()}
    put = {word for body in bodies.values() for word in re.findall(r"\$\{[^}]*\}", body["cmd"])}
    assert put == {"${ingest.source}", "${item}"}
    assert '--source "${ingest.source}"' in bodies["ingest"]["cmd"]
    items = {stage["foreach"] for stage in stages.values() if "foreach" in stage}
    assert items == {"${ensemble.members}", "${fusion.finetune}"}  # the latter are of the former


def accepted(check, text):
    try:
        return check(text)
    except PydanticCustomError:
        return None


SHELL = st.text(st.sampled_from(list("ab/ \"'$`\\;|&<>(){}*?~!#\n\t-é")), min_size=1, max_size=12)


@given(SHELL)
def test_a_shell_takes_a_path_that_is_accepted_as_it_stands(path):
    if accepted(plain_path, path) is not None:
        assert shlex.split(f'"{path}"') == [path]


@given(SHELL)
def test_a_shell_takes_a_member_that_is_accepted_as_it_stands(name):
    if accepted(member_name, name) is not None:
        assert shlex.split(name) == [name]
        assert "/" not in name


@pytest.mark.parametrize("path", ["data/a b", "data/ä (2)'s; x & y", "../~x/*?#!{}|<>"])
def test_a_real_shell_is_given_odd_paths_as_they_stand(path):
    words = ["sh", "-c", f'printf %s "{plain_path(path)}"']
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == path


def test_what_the_lock_installs_has_a_digest_that_is_asked_for():
    lock = (REPO / "requirements.lock").read_text()
    pins = re.findall(
        r"^([\w.-]+)==\S+[^\n]*\n((?:    --hash=sha256:[0-9a-f]{64}.*\n?)*)", lock, re.M
    )
    assert len(pins) > 100
    assert [name for name, digests in pins if not digests] == []
    assert "--require-hashes -r requirements.lock" in (REPO / "Makefile").read_text()
