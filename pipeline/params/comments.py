"""Comments beside the values of a YAML file, as ruamel.yaml keeps them on a round trip.

A comment beside a value begins on its line and goes on below, further in than the key. ruamel.yaml
keeps it in one token with all that follows up to the next key: blank lines, other comments.
"""

from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

COLUMN = 28
"""Where comments begin in params.yaml and in recipes."""


def head_of(tree: CommentedMap) -> str:
    """The comments above the first key."""
    above = (tree.ca.comment or [None, None])[1]
    return "".join(token.value for token in above or [])


def drop_head(tree: CommentedMap) -> None:
    """Take the comments above the first key away."""
    tree.ca.comment = None


def beside(section: CommentedMap, key: str) -> list[str]:
    """The lines of the comment beside the value of a key, without their `#`."""
    return [line.strip().removeprefix("#").strip() for line in _parts(section, key)[0]]


def add_beside(section: CommentedMap, key: str, lines: list[str]) -> None:
    """Write lines below those that already stand beside the value of a key."""
    if lines:
        _write(section, key, [*beside(section, key), *lines], _parts(section, key)[1])


def replace(section: CommentedMap, key: str, value: Any) -> None:
    """Give a key another value; what stands beside it and below stays."""
    section[key] = _bare(value)
    rest = _parts(section, key)[1]
    if _is_block(section[key]):
        _write(section, key, beside(section, key), "")
        below = CommentToken(f"\n{rest}", CommentMark(0), None) if rest else None
        section[key].ca.items[len(section[key]) - 1] = [below, None, None, None]


def end_with_blank_line(section: CommentedMap, key: str) -> None:
    """Part what stands at a key from what comes below it."""
    inner = section[key]
    if isinstance(inner, CommentedMap) and inner:
        end_with_blank_line(inner, list(inner)[-1])
    else:
        _write(section, key, beside(section, key), "\n")


def _bare(value: Any) -> Any:
    """A value of another file, without that file's comments."""
    if not isinstance(value, CommentedSeq):
        return value
    bare = CommentedSeq(value)
    bare.fa.set_block_style() if _is_block(value) else bare.fa.set_flow_style()
    return bare


def _is_block(value: Any) -> bool:
    """Whether a list stands item below item; an empty one cannot."""
    return isinstance(value, CommentedSeq) and bool(value) and not value.fa.flow_style()


def _parts(section: CommentedMap, key: str) -> tuple[list[str], str]:
    """The lines of the comment beside a value, and what follows up to the next key."""
    text = _text(section, key)
    lines = text.splitlines(keepends=True)
    if not text.startswith("#"):
        return [], "".join(lines[1:])
    column = section.lc.key(key)[1] if section.lc.data else 0
    count = 1
    while count < len(lines) and _is_below(lines[count], column):
        count += 1
    return lines[:count], "".join(lines[count:])


def _is_below(line: str, column: int) -> bool:
    text = line.lstrip()
    return text.startswith("#") and len(line) - len(text) > column


def _text(section: CommentedMap, key: str) -> str:
    entry = section.ca.items.get(key)
    return str(entry[2].value) if entry and entry[2] else ""


def _write(section: CommentedMap, key: str, comment: list[str], rest: str) -> None:
    text = f"\n{' ' * COLUMN}".join(f"# {line}" for line in comment)
    token = CommentToken(f"{text}\n{rest}", CommentMark(COLUMN if text else 0), None)
    section.ca.items[key] = [None, None, token, None]
    if isinstance(section[key], CommentedMap) and section[key].ca.comment:
        section[key].ca.comment[0] = token
