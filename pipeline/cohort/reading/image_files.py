"""Radiographs as bytes, one after another: loose files, or a tar or zip archive read once."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from pipeline.base.broken_files import impostor
from pipeline.errors import CohortError

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")

ARCHIVE_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".zip")

LARGEST_FILE = 256 * 2**20
"""Bytes of a radiograph's file in an archive: of 128 million pixels of 16 bits."""

_OPEN: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""By its first bytes, how a compressed tar archive is opened."""

_BLOCK = 1 << 20


class TooLarge(NamedTuple):
    """What stands for the content of a file that was not read for its size."""

    size: int
    """Bytes."""


@dataclass(frozen=True)
class ImageFile:
    """A radiograph's file and where it was found."""

    name: str
    place: str
    content: Path | bytes | TooLarge | None
    """A path until somebody reads it; None for a file that nobody asked for."""

    def read(self) -> bytes:
        """The bytes of the file; none of a file that nobody asked for.

        Raises:
            CohortError: it is too large for a radiograph's.
        """
        content = self.content
        if isinstance(content, Path):
            size = content.stat().st_size
            content = content.read_bytes() if size <= LARGEST_FILE else TooLarge(size)
        if isinstance(content, TooLarge):
            raise CohortError(
                f"a file of {content.size:,} bytes; of a radiograph at most {LARGEST_FILE:,} are "
                "expected"
            )
        return content or b""


def name_of(path: str, parts: int) -> str:
    """The name that a file of a cohort goes by: the last parts of its path, joined by `_`."""
    return "_".join(PurePosixPath(path.replace("\\", "/")).parts[-parts:])


def image_key(name: str) -> str:
    """What of a file's name says which radiograph it is; its ending does not.

    `00000001_000.dcm` and `00000001_000.PNG` are the `00000001_000.png` of the table.
    """
    last = name.rpartition("/")[2]
    stem, _, ending = last.rpartition(".")
    return stem if stem and f".{ending.lower()}" in IMAGE_ENDINGS else last


def is_image(name: str) -> bool:
    """Whether this is a radiograph's file, by its name; what macOS hides beside it is not."""
    return name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")


def may_be_image(name: str) -> bool:
    """Whether it is one, or has no ending, as DICOM files of archives often have none."""
    return is_image(name) or "." not in name


def loose_files(paths: list[Path], *, parts: int = 1) -> Iterator[ImageFile]:
    """Files of a folder, in the order given, not yet read; named as by `name_of`."""
    return (ImageFile(name_of(path.as_posix(), parts), str(path), path) for path in paths)


class ForeignFileError(CohortError):
    """No archive, whatever the file's name says."""


def archived_files(archive: Path, wanted: set[str], *, parts: int = 1) -> Iterator[ImageFile]:
    """The radiographs of an archive in its order; those without a `wanted` key have no content.

    They are named as by `name_of`.

    Tar archives may be compressed by gzip, bzip2 or xz; several that were joined are read as one.
    Nothing is unpacked, and an archive is read to its end, so that a checksum there is verified.
    A hard link is the file that it is a link to.

    Raises:
        ForeignFileError: it is no archive, by its beginning.
        CohortError: the archive is damaged or cut off.
    """
    try:
        with archive.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise CohortError(f"{archive}: cannot be read ({error.strerror})") from None
    reason = impostor(head)
    if reason is not None:
        raise CohortError(f"{archive}: {reason}")
    members = _zipped if head.startswith(b"PK") else _tarred
    try:
        for member in members(archive):
            name = name_of(member.path, parts)
            if may_be_image(name_of(member.path, 1)):
                content = member.read() if image_key(name) in wanted else None
                yield ImageFile(name, f"{archive}:{member.path}", content)
    except (*_DAMAGED, OSError) as error:
        if _is_foreign(archive):
            raise ForeignFileError(f"{archive}: no archive of radiographs ({error})") from None
        raise CohortError(f"{archive}: not a whole archive ({error}); download it again") from None


def _is_foreign(archive: Path) -> bool:
    """Whether a file begins neither as a zip nor as a tar archive."""
    with archive.open("rb") as file:
        if file.read(4) in (b"PK\x03\x04", b"PK\x05\x06"):
            return False
    try:
        with _open(archive) as stream:
            tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return True
    except (*_DAMAGED, OSError):  # of gzip, say
        pass
    return False


_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, struct.error,
    ValueError,  # of zip: a name that is no text, a place before its beginning
    NotImplementedError,  # of zip: a way of compression
    RuntimeError,
)  # fmt: skip


class _Member(NamedTuple):
    """A file in an archive."""

    path: str
    read: Callable[[], bytes | TooLarge]


_UNZIPPED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""Not Deflate64, which Windows takes for large archives."""


def _zipped(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as files:
        for info in files.infolist():
            if info.flag_bits & 1 or info.compress_type not in _UNZIPPED:
                why = "it has a password" if info.flag_bits & 1 else "its compression is not read"
                raise CohortError(f"{archive}: {why}; unpack it into this folder")
            if not info.is_dir():
                yield _Member(
                    info.filename, partial(_read, partial(files.open, info), info.file_size)
                )


def _tarred(archive: Path) -> Iterator[_Member]:
    """First the files; then, in a second pass if there are any, hard links to them."""
    links: dict[str, list[str]] = {}
    for tar, info in _infos(archive):
        if info.isfile():
            yield _Member(info.name, partial(_read, partial(tar.extractfile, info), info.size))
        elif info.islnk() and may_be_image(PurePosixPath(info.name).name):
            links.setdefault(info.linkname, []).append(info.name)
    if links:
        for tar, info in _infos(archive):
            if info.isfile() and info.name in links:
                content = _read(partial(tar.extractfile, info), info.size)
                yield from (_Member(path, partial(_given, content)) for path in links[info.name])


def _open(archive: Path) -> BufferedIOBase:
    """The tar archive in a file that may be compressed."""
    with archive.open("rb") as file:
        head = file.read(8)
    open_: Callable[[Path], Any] = next(
        (one for start, one in _OPEN.items() if head.startswith(start)), partial(open, mode="rb")
    )
    opened: BufferedIOBase = open_(archive)
    return opened


def _infos(archive: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    with _open(archive) as stream:
        with tarfile.open(
            fileobj=stream, mode="r|", bufsize=_BLOCK, ignore_zeros=True, tarinfo=_header_class()
        ) as tar:
            for info in tar:
                yield tar, info
                # A stream's tarfile remembers every member; a cohort has 112,120 of them.
                tar.members = []  # type: ignore[attr-defined]
        while stream.read(_BLOCK):
            pass


def _header_class() -> type[tarfile.TarInfo]:
    """Headers of one archive: in front of one there may be zeros, where archives were joined.

    At the end there must be: tarfile takes an archive that was cut off between two files, or
    within a header, for a whole one.
    """

    class Header(tarfile.TarInfo):
        after_zeros = False

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
            is_whole = len(buf) == tarfile.BLOCKSIZE
            if not is_whole and not cls.after_zeros:
                raise tarfile.ReadError("it was cut off")
            cls.after_zeros = not any(buf) if is_whole else cls.after_zeros
            try:
                return super().frombuf(buf, encoding, errors)
            except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]
                raise tarfile.ReadError(
                    f"no header of a file where one is expected: {error}"
                ) from None

    return Header


def _read(open_: Callable[[], IO[bytes] | None], size: int) -> bytes | TooLarge:
    if size > LARGEST_FILE:
        return TooLarge(size)
    file = open_()
    return file.read(size) if file else b""


def _given(content: bytes | TooLarge) -> bytes | TooLarge:
    return content
