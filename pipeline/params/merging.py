"""A recipe laid onto params.yaml: one whole, commented file of the two."""

import io

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from pipeline.errors import ParamsError
from pipeline.params.comments import (
    add_beside,
    beside,
    drop_head,
    end_with_blank_line,
    head_of,
    replace,
)
from pipeline.params.faults import unknown_key
from pipeline.params.whole import is_member, sections

MADE_BY = "# Made by the recipe"
"""How the result of a recipe begins."""


def merge(params: str, recipe: str, *, name: str, file: str) -> str:
    """Lay a recipe onto a params file.

    - Sections are merged key by key, and so are members; lists and all other values are replaced.
    - A section that `ensemble.members` of the result names and `params` has not is a new member,
      and stands before `ensemble`.
    - A member that `ensemble.members` of the result does not name is left out of it.
    - Comments of `params` stay, but for its head, in whose place the recipe's stands. What stands
      beside a value of the recipe is added below what stands there, after the recipe's name.

    Whether the result is valid is for `parse_params` to say.

    Args:
        params: text of a valid params file.
        recipe: text of the recipe.
        name: of the recipe.
        file: of the recipe; opens each line of an error.

    Raises:
        ParamsError: the recipe is not YAML, or has a key that would be of no use.
    """
    tree, changes = _read(params, "params.yaml"), _read(recipe, file)
    voting = _voting(changes) or _voting(tree)
    _expect_known(changes, tree, voting, file)
    for key in [key for key in tree if key not in (*sections(), *voting)]:
        tree.pop(key)
    added = [key for key in changes if key not in tree]
    for key in added:
        tree.insert(list(tree).index("ensemble"), key, CommentedMap())
    _lay(tree, changes, name)
    for key in added:
        end_with_blank_line(tree, key)
    drop_head(tree)
    about = f"{head_of(changes).rstrip()}\n".lstrip()
    return f"{MADE_BY} {name}: {file} on the committed params.yaml.\n{about}\n{_written(tree)}"


def made_by(params: str) -> str | None:
    """The name of the recipe of which a params file is the result; None if it is of none."""
    first = params.partition("\n")[0]
    return first.removeprefix(MADE_BY).partition(":")[0].strip() if MADE_BY in first else None


def _read(text: str, file: str) -> CommentedMap:
    try:
        tree = _yaml().load(text)
    except YAMLError as error:
        raise ParamsError(f"{file}: not YAML: {error}") from None
    if not isinstance(tree, CommentedMap):
        raise ParamsError(f"{file}: expected sections of params.yaml, found {tree!r}")
    return tree


def _written(tree: CommentedMap) -> str:
    text = io.StringIO()
    _yaml().dump(tree, text)
    return text.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 4096  # lines are as long as they are
    yaml.preserve_quotes = True
    return yaml


def _voting(tree: CommentedMap) -> list[str]:
    """What `ensemble.members` names; nothing if it is none of a valid file."""
    ensemble = tree.get("ensemble")
    members = ensemble.get("members") if isinstance(ensemble, dict) else None
    return [one for one in members if isinstance(one, str)] if isinstance(members, list) else []


def _expect_known(changes: CommentedMap, tree: CommentedMap, voting: list[str], file: str) -> None:
    faults = [
        f"{key}: ensemble.members of the result ({', '.join(voting)}) does not name it, which "
        "leaves it out; name it there, or drop it here"
        if key in tree or is_member(value)
        else unknown_key(str(key), [*sections(), *voting])
        for key, value in changes.items()
        if key not in (*sections(), *voting)
    ]
    if faults:
        raise ParamsError("\n".join(f"{file}: {fault}" for fault in faults))


def _lay(section: CommentedMap, changes: CommentedMap, name: str) -> None:
    for key, value in changes.items():
        if isinstance(value, CommentedMap):
            section.setdefault(key, CommentedMap())
        if isinstance(value, CommentedMap) and isinstance(section[key], CommentedMap):
            _lay(section[key], value, name)
        else:
            replace(section, key, value)
        first, *more = beside(changes, key) or [""]
        add_beside(section, key, [f"{name}: {first}", *more] if first else [])
