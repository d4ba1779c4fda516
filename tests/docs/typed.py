"""Every command that README.md, CONTRIBUTING.md and docs/ tell a person to type."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]

PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").glob("*.md"))]

LANGUAGES = {"sh", "console", "text", "python", "yaml"}
"""What a block may be: commands, a session with its output, output alone, Python, params."""

PROGRAMS = (
    "cxr", "dvc", "export", "git", "make", "mlflow", "pip", "pytest", "python", "rm", "ruff",
    "source", "torchrun",
)  # fmt: skip
"""What begins a command in a line of text; in a block of code anything does."""

STANDS_FOR = {
    "branch": "mine",
    "digest": "0" * 64,
    "experiment": "mlp",
    "folder": "data/models",
    "member": "model",
    "name": "resnet18",
    "recipe": "phantom-full",
    "stage": "train_local@model",
    "table": "Data_Entry_2017_v2020.csv",
}
"""An example of each `<word>` for which a person types something of their own."""

_OPERATORS = {"&&", "||", "|", ";", ">"}


@dataclass(frozen=True)
class Typed:
    """One command."""

    page: str
    text: str
    """The line, or the span of code, that it stands in."""
    words: tuple[str, ...]
    env: tuple[str, ...] = ()
    """Names of variables that stand before it."""
    in_prose: bool = False
    """Whether it stands in a line of text, which may name a command without all its words."""


def fences(text: str) -> list[tuple[str, str]]:
    """Language and content of each block of code."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.M | re.S)
    return [(language.strip(), body) for language, body in found]


def spans(text: str) -> list[str]:
    """What stands between backticks, outside blocks of code."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    marked = re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", prose, flags=re.S)
    return [" ".join(code.replace("\\|", "|").split()) for _, code in marked]


def typed_on(page: Path) -> list[Typed]:
    """The commands of one page."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(REPO).as_posix()
    lines = [line for language, body in fences(text) for line in _lines(language, body)]
    named = [span for span in spans(text) if is_command(span)]
    return [one for line in lines for one in split(line, name)] + [
        one for span in named for one in split(span, name, in_prose=True)
    ]


def is_command(span: str) -> bool:
    """Whether a span of code is what one types, and no mere name of a program."""
    words = re.sub(r"^(\w+=\S+ )+", "", span).split()
    begins = words[0] in PROGRAMS and len(words) > 1
    return begins and re.fullmatch(r"[a-z<.-].*|PYTHON=.*|[A-Z_]+=.*", words[1]) is not None


def split(line: str, page: str, *, in_prose: bool = False) -> list[Typed]:
    """The commands of a line, each with the words that its program gets."""
    known = re.sub(r"<(\w+)>", lambda word: STANDS_FOR.get(word[1], word[0]), line)
    lexer = shlex.shlex(known, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word in _OPERATORS:
            commands.append([])
        else:
            commands[-1].append(word)
    return [_typed(words, line, page, in_prose) for words in commands if words]


def _typed(words: list[str], line: str, page: str, in_prose: bool) -> Typed:
    env = []
    while words and re.match(r"[A-Z_]+=", words[0]):
        env.append(words.pop(0).partition("=")[0])
    return Typed(page=page, text=line, words=tuple(words), env=tuple(env), in_prose=in_prose)


def _lines(language: str, body: str) -> list[str]:
    """Commands in a block: all lines, or those behind a prompt and a `dvc exp run` to be typed."""
    if language == "sh":
        return [line for line in body.splitlines() if line.strip()]
    prompted = r"^(?:\$ |(?=(?:[A-Z_]+=\S+ )?dvc exp run ))(.+)$"
    return re.findall(prompted, body, flags=re.M) if language == "console" else []
