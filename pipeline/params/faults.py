"""What pydantic finds wrong with a file that a person has written, in this project's words."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.errors import ParamsError

Place = tuple[str | int, ...]
"""Keys from the top of the file down, and places in lists."""

ABSENT = "absent"
"""Type of an error of our own about what is not there; its message says all there is to say."""


def params_error(
    error: ValidationError,
    *,
    file: str,
    names: Callable[[Place], list[str]],
    unwritten: Collection[str] = (),
) -> ParamsError:
    """One line per fault, each with its dotted name.

    An error of our own whose type has a dot in is about the key that is its type: a validator of
    several sections together names the one to change.

    Args:
        error: what pydantic says.
        file: opens each line.
        names: the keys that the model knows at a place.
        unwritten: keys that the model has and the file has not.
    """
    lines = []
    for fault in error.errors():
        loc = tuple(part for part in fault["loc"] if part not in unwritten)
        known = names(fault["loc"][:-1]) if fault["type"] == "extra_forbidden" else []
        lines.append(f"{file}: {_words(fault, loc, known)}")
    return ParamsError("\n".join(lines))


def _words(fault: Any, loc: Place, known: list[str]) -> str:
    key = ".".join(str(part) for part in loc) or "the file"
    kind, said, found = fault["type"], fault["msg"], fault["input"]
    if kind == "extra_forbidden":
        return unknown_key(key, known)
    if "." in kind:
        return f"{kind}: {said}"
    if kind in ("missing", ABSENT):
        return f"{key}: {said if kind == ABSENT else kind}"
    number = "; write 0.001 or 1.0e-3" if _is_yaml_1_1_text(found) else ""
    return f"{key}: {said[0].lower()}{said[1:]} (found {found!r}{number})"


def _is_yaml_1_1_text(value: Any) -> bool:
    """Whether YAML 1.1 took for text what people mean as a number: 1e-3."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"[-+]?\d+(\.\d*)?e[-+]?\d+", value, re.I) is not None
    )


def unknown_key(key: str, known: Iterable[str]) -> str:
    """That a dotted key is none, and the nearest of those `known` beside it."""
    return f"{key}: unknown key; {nearest(key.rpartition('.')[2], known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The one that may have been meant; all of them, if none is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"


def keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that a model of a file knows at a place of the file, as they are written."""
    inner: Any = model
    for part in place:
        inner = _inside(inner, str(part))
    return list(_fields(inner))


def _inside(model: Any, key: str) -> Any:
    """What a model, or a dictionary of models, has below a key."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        return _fields(model)[key]
    inner = get_args(model)[1]
    return get_args(inner)[0] if get_origin(inner) is Annotated else inner


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The annotations of a model's fields by the names that they have in a file."""
    return {
        str(one.validation_alias or name): one.annotation
        for name, one in model.model_fields.items()
    }
