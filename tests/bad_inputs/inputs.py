"""A bad input: how it is made, and what is said of it or what it is read as."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from ran_ingest import run_ingest
from tiny_cohort import V2020, name, pngs, table, write_flat

from pipeline.base.tables import read_index
from pipeline.errors import PipelineError

REPO = Path(__file__).parents[2]
IMAGES = pngs(9)

ANY = "…"
"""Stands for any text in what is said."""


BAD = "1 bad images (ingest.on_bad_image: skip leaves them out)\n  …/00000002_001.png: "
"""What an error of one bad radiograph begins with."""


@dataclass(frozen=True)
class BadInput:
    """A row of docs/bad_inputs.md, and the test of it."""

    given: str
    """What somebody gives, in words."""
    call: Callable[[Path], object]
    """Gives it, made in an empty folder, to the pipeline as its user would."""
    says: str = ""
    """The error, with `ANY` for what differs."""
    of_split: bool = False
    """Whether `split` refuses it, behind an `ingest` that has written its outputs."""
    read_as: str = ""
    """What it is taken for, where it is no error; `call` checks that it is."""

    def expect(self, folder: Path) -> None:
        """Give it, and compare.

        Raises:
            AssertionError: another error is said, or none; or what was read is something else.
        """
        try:
            self.call(folder)
        except PipelineError as error:
            said = str(error)
            left = {path.name for path in folder.rglob("cache/*")}
            assert self.of_split or not left, f"left behind: {sorted(left)}"
            expected = ".*".join(map(re.escape, self.says.split(ANY)))
            assert self.says, f"refused: {said}"
            assert re.fullmatch(expected, said, re.DOTALL), said
        else:
            assert not self.says, "it was read without an error"


def ingested(
    folder: Path,
    *,
    texts: Mapping[str, str | bytes] | None = None,
    images: Mapping[str, bytes] | None = None,
    **options: object,
) -> Path:
    """Run `ingest` on a cohort of nine radiographs; its outputs.

    Args:
        folder: empty.
        texts: files in place of the cohort's own, or beside them.
        images: the same of radiographs.
        options: of the section `ingest`.
    """
    source = folder / "cohort"
    write_flat(source, {**IMAGES, **(images or {})})
    (source / V2020).write_text(table(range(len(IMAGES))))
    for file, content in (texts or {}).items():
        raw = content.encode() if isinstance(content, str) else content
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_bytes(raw)
    return run_ingest(source, folder / "cache", **options)


@cache
def _usual() -> tuple[pd.DataFrame, dict[str, bytes]]:
    """What the whole cohort comes to: its index and its shards."""
    with TemporaryDirectory() as folder:
        return _read(ingested(Path(folder)))


def _read(outputs: Path) -> tuple[pd.DataFrame, dict[str, bytes]]:
    shards = {path.name: path.read_bytes() for path in (outputs / "images").iterdir()}
    return read_index(outputs / "index.parquet"), shards


def as_usual(**given: object) -> Callable[[Path], None]:
    """A call of `ingest` that must come to the same index and radiographs as the whole cohort."""

    def call(folder: Path) -> None:
        index, shards = _read(ingested(folder, **given))
        assert index.equals(_usual()[0])
        assert shards == _usual()[1]

    return call


def report_of(cache: Path) -> Any:
    """What `ingest` counted."""
    return json.loads((cache / "report.json").read_text())


def refused(**given: object) -> Callable[[Path], Path]:
    """A call of `ingest`."""
    return lambda folder: ingested(folder, **given)


def with_image(content: bytes, number: int = 4, **options: object) -> Callable[[Path], Path]:
    """A call of `ingest` with one radiograph that is something else."""
    return refused(images={name(number): content}, **options)


def page(groups: Mapping[str, Mapping[str, BadInput]]) -> str:
    """The page docs/bad_inputs.md."""
    count = sum(map(len, groups.values()))
    lines = [
        "# What is said of bad inputs",
        "",
        "This page answers: what does the pipeline say of inputs that go wrong?",
        "",
        f"{count} inputs that people have or make, and what becomes of each. Tests run every row:",
        "`pytest tests/bad_inputs -k <name>` runs one. `…` stands for what differs, such as a",
        "folder. Every command and stage ends with the message and exit status 1, without a",
        "traceback; nothing of its outputs is left behind. `cxr predict` alone goes on with its",
        "other radiographs: [its exit status](predict.md#on-the-command-line) is 3, and 1 if none",
        "could be read. `ingest` decodes all radiographs before it stops, and says what is wrong",
        "with each; here stands what is said of one.",
    ]
    for title, inputs in groups.items():
        lines += ["", f"## {title}", "", "| you give | you get | test |", "|---|---|---|"]
        lines += [
            f"| {_cell(one.given)} | {_outcome(one)} | `{key}` |" for key, one in inputs.items()
        ]
    return "\n".join(lines) + "\n"


def _outcome(one: BadInput) -> str:
    said = " ".join(line.strip() for line in one.says.removeprefix(BAD).splitlines())
    fence = "``" if "`" in said else "`"
    space = " " if "`" in said else ""
    return f"{fence}{space}{_cell(said)}{space}{fence}" if said else f"read: {_cell(one.read_as)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
