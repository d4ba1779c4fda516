"""Radiographs as bytes, one after another: loose files, or a tar archive read once."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

from pipeline.cohort.reading.broken_files import impostor
from pipeline.errors import CohortError

_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ImageFile:
    """A PNG file and where it was found."""

    name: str
    place: str
    content: Path | bytes | None
    """A path until somebody reads it; None for a file that nobody asked for."""

    def read(self) -> bytes:
        """The bytes of the file; none of a file that nobody asked for."""
        if isinstance(self.content, Path):
            return self.content.read_bytes()
        return self.content or b""


def loose_files(paths: list[Path]) -> Iterator[ImageFile]:
    """Files of a folder, in the order given, not yet read."""
    return (ImageFile(path.name, str(path), path) for path in paths)


def archived_files(archive: Path, wanted: set[str]) -> Iterator[ImageFile]:
    """The PNGs of a tar archive in its order; those not `wanted` come without content.

    Nothing is unpacked and the archive is read once, to its end, so that a gzip checksum at
    the end is verified.

    Raises:
        CohortError: the archive is damaged or cut off.
    """
    try:
        with _open_stream(archive) as stream:
            yield from _members(archive, stream, wanted)
            while stream.read(_BLOCK):
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise CohortError(
            f"{archive}: not a whole tar archive ({error}); download it again"
        ) from None


def _open_stream(archive: Path) -> gzip.GzipFile | BufferedReader:
    with archive.open("rb") as file:
        head = file.read(64)
    reason = impostor(head)
    if reason is not None:
        raise CohortError(f"{archive}: {reason}")
    return gzip.open(archive) if head.startswith(_GZIP_MAGIC) else archive.open("rb")


def _members(
    archive: Path, stream: gzip.GzipFile | BufferedReader, wanted: set[str]
) -> Iterator[ImageFile]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK) as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            if member.isfile() and name.lower().endswith(".png"):
                file = tar.extractfile(member) if name in wanted else None
                place = f"{archive}:{member.name}"
                yield ImageFile(name, place, file.read() if file else None)
            # A stream's tarfile remembers every member; a cohort has 112,120 of them.
            tar.members = []  # type: ignore[attr-defined]
