"""The bytes of a file as they are read, unpacked if it is compressed, and which files a pattern names.

Gzip and Zstandard are recognised by their first bytes, whatever the file is called. Knows nothing of what the bytes mean.
"""

import glob
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lima.errors import LimaError
from lima.paths import cannot, check_readable, is_folder, is_there, shown

LIMIT = 2 * 1024**3
"Bytes that a compressed file may expand to"
_CHUNK = 1024 * 1024
_STRANGE = {
    b"PK\x03\x04": "a ZIP archive",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "a SQLite database",
    b"%PDF": "a PDF",
}
"First bytes of what is often taken for a file of rows"
_PATTERN = frozenset("*?[")


def is_pattern(spec: str) -> bool:
    """Whether it names files by a pattern such as data/*.jsonl; a file of exactly that name comes first"""
    return bool(_PATTERN & set(spec)) and not is_there(spec)


def files_of(spec: str) -> list[str]:
    """The files that a path or a pattern names, sorted; LimaError where there are none"""
    if is_pattern(spec):
        try:
            found = sorted(f for f in glob.glob(spec, recursive=True) if not is_folder(f))
        except OSError as e:
            raise cannot("look for", spec, e) from None
        if not found:
            raise LimaError(
                f"No file matches {shown(spec)}. `*` stands for any name in one folder, `**` for any folders."
            )
        return found
    if is_folder(spec):
        raise LimaError(f"{spec} is a folder. Name its files by a pattern, for example {Path(spec) / '*.jsonl'}.")
    return [spec]


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """What is in a file, without its compression, as it is read; LimaError where it cannot be, or expands beyond the limit"""
    check_readable(path)
    try:
        with open(path, "rb") as file:
            start = file.peek(8)[:8]
            for strange, what in _STRANGE.items():
                if start.startswith(strange):
                    raise LimaError(
                        f"{path} is {what}. Unpack or convert it to JSONL, CSV or Parquet; .gz and .zst are read."
                    )
            if start.startswith(b"\x1f\x8b"):
                expanding: Any = _Expanding(path, gzip.GzipFile(fileobj=file), (OSError, EOFError, zlib.error))
                yield io.BufferedReader(expanding, _CHUNK)
            elif start.startswith(b"\x28\xb5\x2f\xfd"):
                expanding = _Expanding(path, *_zstd(path, file))
                yield io.BufferedReader(expanding, _CHUNK)
            else:
                yield file
    except OSError as e:
        raise cannot("read", path, e) from None


def plain_name(path: str) -> str:
    """The file's name without the ending of its compression, in lower case"""
    return Path(path).name.lower().removesuffix(".gz").removesuffix(".zst")


def too_large(path: str) -> LimaError:
    """The error for what expands beyond the limit"""
    return LimaError(
        f"{path} expands to more than {LIMIT // 1024**3} GiB, which is the limit. Divide it into several files."
    )


class _Expanding(io.RawIOBase):
    """What a compressed file expands to; LimaError where it is damaged or expands beyond the limit"""

    def __init__(self, path: str, stream: Any, broken: tuple[type[Exception], ...]) -> None:
        self._path, self._stream, self._broken, self._size = path, stream, broken, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._stream.read(len(buffer))
        except self._broken as e:
            raise LimaError(f"{self._path} is damaged or cut off ({e}). Copy or download it again.") from None
        self._size += len(part)
        if self._size > LIMIT:
            raise too_large(self._path)
        buffer[: len(part)] = part
        return len(part)


def _zstd(path: str, file: BinaryIO) -> tuple[Any, tuple[type[Exception], ...]]:
    """A stream of what is compressed, and the errors that reading it raises"""
    try:
        from compression import zstd  # Python 3.14

        return zstd.ZstdFile(file), (zstd.ZstdError, EOFError)
    except ImportError:
        pass
    try:
        import zstandard
    except ImportError:
        raise LimaError(
            f"{path} is compressed with Zstandard, which needs a library: `pip install 'lima-tune[zstd]'`."
        ) from None
    expander = zstandard.ZstdDecompressor(max_window_size=2**31)
    return expander.stream_reader(file, read_across_frames=True), (zstandard.ZstdError,)
