"""Files that are not what their name says: what a broken download leaves behind."""

LFS_POINTER = b"version https://git-lfs"


def decode_text(content: bytes, place: object) -> str:
    """UTF-8 text, without the mark that may begin it; `place` is the file's name.

    Raises:
        ValueError: it is something else; says in which line which byte is none.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{place}, row {line}: not UTF-8 text (byte {content[error.start]:#04x}); save it so"
        ) from None


def impostor(content: bytes) -> str | None:
    """Why a file cannot be what its name says, judged by its first bytes; None if it can."""
    if not content:
        return "an empty file (0 bytes)"
    if content.startswith(LFS_POINTER):
        return "a Git-LFS pointer, not the file it stands for: run `git lfs pull`"
    start = content[:64].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a page of HTML, probably a download's error message"
    return None


def spreadsheet(content: bytes) -> str | None:
    """That a file is one of a spreadsheet program, by its first bytes; None if it is not."""
    if content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        return "a spreadsheet or zip archive; save it as csv or parquet"
    return None
