"""The layout of a table as a command is told it: by a name, or by a file of `ingest.columns`."""

from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ParamsError
from pipeline.params.columns import NAMED, WRITTEN, Columns, ColumnsParams, LayoutName
from pipeline.params.faults import params_error
from pipeline.params.whole import read_values

ENDINGS = (".yaml", ".yml")


def columns_given(told: str, *, option: str = "--columns") -> Columns:
    """A layout.

    Args:
        told: a layout's name, or the path of a YAML file: params of a run, of which
            `ingest.columns` is taken, or that section alone.
        option: by which it was told.

    Raises:
        ParamsError: no such layout or file, or a fault in it, with its dotted name.
    """
    if told in get_args(LayoutName):
        return told  # type: ignore[return-value]
    if not told.endswith(ENDINGS):
        raise ParamsError(
            f"{option} {told}: no such layout; expected {', '.join(get_args(LayoutName))}, or "
            "the path of a YAML file with the keys of ingest.columns"
        )
    try:
        return TypeAdapter(Columns).validate_python(_section(read_values(Path(told))))
    except ValidationError as error:
        raise params_error(
            error, file=told, names=lambda _: list(ColumnsParams.model_fields),
            unwritten=(NAMED, WRITTEN),
        ) from None  # fmt: skip


def _section(values: Any) -> Any:
    """The section `columns` of `ingest`, wherever the file begins."""
    for key in ("ingest", "columns"):
        if isinstance(values, dict) and key in values:
            values = values[key]
    return values
