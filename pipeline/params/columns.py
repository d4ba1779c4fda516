"""The section `ingest.columns`: which columns of a cohort's table say what."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.base.findings import NO_FINDING, SPELLINGS, plain

LayoutName = Literal["nih", "chexpert", "padchest", "vindr", "rsna", "rsna_classes"]
"""NIH's own, and the entries of `pipeline.cohort.reading.columns.layouts.LAYOUTS`."""

ReaderRule = Literal["any", "majority", "unanimous"]
"""An entry of `pipeline.cohort.reading.columns.readers.READERS`."""


def _finding(name: str) -> str:
    if name == "none" or plain(name) == plain(NO_FINDING):
        return name
    if plain(name) not in SPELLINGS:
        raise PydanticCustomError("finding", "must be one of the 14 findings, No Finding, or none")
    return SPELLINGS[plain(name)]


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error:
        groups = 0
    if groups != 1:
        raise PydanticCustomError(
            "pattern", "must be a regular expression with one group, such as patient(\\d+)"
        )
    return text


class ColumnsParams(BaseModel):
    """A table that is none of NIH's; null stands for what it does not say."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    tables: Annotated[list[str], Field(min_length=1)]
    """Names of the files, of which those that are there are read, one below the other."""
    image: str
    """The column of the file's name, or of its path."""
    image_parts: Annotated[int, Field(ge=1, le=4)]
    """How many parts of the path, from its end, tell one image from another."""
    patient: str
    """May be that of the image, where nothing is known of patients."""
    patient_pattern: Annotated[str, AfterValidator(_pattern)] | None
    """Whose one group is the patient; null: the whole cell is."""
    age: str | Annotated[list[str], Field(min_length=2, max_length=2)] | None
    """Of years; or two columns of dates or years: of birth and of the examination."""
    gender: str | None
    view: str | None
    only: dict[str, list[str]]
    """By column, the values of the rows that are taken."""
    labels: str | Annotated[list[str], Field(min_length=1)]
    """A column of names, or a column for each name: 1, 0, -1 (uncertain) or nothing."""
    separator: str | None
    """Of a column of names; `list`: a list as Python writes it. Null for a column each."""
    blank: Literal["zeros", "ignore"]
    """What nothing means in a name's own column: absent or unknown."""
    findings: dict[str, Annotated[str, AfterValidator(_finding)]]
    """What names mean that are not those of findings; `none`: no finding."""
    reader: str | None
    """Who labelled, where several have: each has rows of their own."""
    readers: ReaderRule
    """What makes a finding of several readers' labels."""

    @model_validator(mode="after")
    def _a_column_of_names_has_a_separator(self) -> "ColumnsParams":
        if isinstance(self.labels, str) != (self.separator is not None):
            raise PydanticCustomError(
                "ingest.columns.separator",
                "is of a column of names: give one (list: as Python writes lists) if labels is "
                "one column, and null if labels is a list of columns",
            )
        return self


NAMED, WRITTEN = "a layout by its name", "a layout by its columns"
"""Tags of what `columns` may be; never keys of the file."""


def _kind(value: Any) -> str:
    return WRITTEN if isinstance(value, dict | ColumnsParams) else NAMED


Columns = Annotated[
    Annotated[LayoutName, Tag(NAMED)] | Annotated[ColumnsParams, Tag(WRITTEN)],
    Discriminator(_kind),
]
