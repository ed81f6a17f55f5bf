"""The bytes of a file as they are read, unpacked if it is compressed, and which files a pattern names.

Gzip and Zstandard are recognised by their first bytes, whatever the file is called. Knows nothing of what the bytes mean.
"""

import glob
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lima.errors import LimaError
from lima.paths import cannot, check_readable, is_folder, is_there, shown

LIMIT = 2 * 1024**3
"Bytes that a compressed file may expand to, if it is read as a whole"
RATIO = 200
"How many times its own size a larger one may expand to, if it is read row by row; JSON lines expand to 5 to 30 times"
WINDOW = 31
"Logarithm of the largest Zstandard window: 2 GiB of memory, which archives made with `zstd --long=31` need"
LONGEST = 64 * 1024**2
"Bytes of a line, where a file is read line by line"
_CHUNK = 1024 * 1024
_PIECE = 2048
"Compressed bytes that are expanded at once; Zstandard makes at most 64 MiB of them"
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
                expanding: Any = _Expanding(path, file, gzip.GzipFile(fileobj=file), (OSError, EOFError, zlib.error))
                yield io.BufferedReader(expanding, _CHUNK)
            elif start.startswith(b"\x28\xb5\x2f\xfd"):
                expanding = _Expanding(path, file, *_zstd(path, file))
                yield io.BufferedReader(expanding, _CHUNK)
            else:
                yield file
    except OSError as e:
        raise cannot("read", path, e) from None


def rest(stream: BinaryIO) -> bytes:
    """All that is left of what `opened` gave, which is to fit into memory; LimaError where it expands beyond the limit"""
    expanding = stream.raw if isinstance(stream, io.BufferedReader) else None
    if isinstance(expanding, _Expanding):
        expanding.most = LIMIT
    return stream.read()


def lines(path: str, stream: BinaryIO, first: int = 1) -> Iterator[bytes]:
    """The lines of a stream whose next one has this number; LimaError for one that is longer than memory should hold"""
    number = first
    while line := whole_line(path, number, stream.readline(LONGEST)):
        yield line
        number += 1


def first_lines(stream: BinaryIO) -> list[bytes]:
    """The first two lines; of a longer one its beginning, and then what follows"""
    return [stream.readline(LONGEST) for _ in range(2)]


def whole_line(path: str, number: int, line: bytes) -> bytes:
    """The line, which `readline(LONGEST)` gave; LimaError where that was not all of it"""
    if len(line) < LONGEST:
        return line
    raise LimaError(f"{path}, line {number}: the line is longer than {LONGEST >> 20} MiB. Expected a row a line.")


def plain_name(path: str) -> str:
    """The file's name without the ending of its compression, in lower case"""
    return Path(path).name.lower().removesuffix(".gz").removesuffix(".zst")


def too_large(path: str, most: int) -> LimaError:
    """The error for what expands to more than so many bytes"""
    if most > LIMIT:
        return LimaError(
            f"{path} expands to more than {RATIO} times its size, which no file of rows does. Make it again."
        )
    return LimaError(
        f"{path} expands to more than {LIMIT // 1024**3} GiB, which is the limit. Divide it into several files."
    )


class _Expanding(io.RawIOBase):
    """What a compressed file expands to; LimaError where it is damaged or expands to more than `most` bytes"""

    def __init__(self, path: str, file: BinaryIO, stream: Any, broken: tuple[type[Exception], ...]) -> None:
        self._path, self._stream, self._broken, self._size = path, stream, broken, 0
        self.most = max(LIMIT, RATIO * os.fstat(file.fileno()).st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._stream.read(len(buffer))
        except self._broken as e:
            raise LimaError(f"{self._path} is damaged or cut off ({e}). Copy or download it again.") from None
        self._size += len(part)
        if self._size > self.most:
            raise too_large(self._path, self.most)
        buffer[: len(part)] = part
        return len(part)


def _zstd(path: str, file: BinaryIO) -> tuple[Any, tuple[type[Exception], ...]]:
    """A stream of what is compressed, and the errors that reading it raises"""
    try:
        from compression import zstd  # Python 3.14

        options = {zstd.DecompressionParameter.window_log_max: WINDOW}
        return zstd.ZstdFile(file, options=options), (zstd.ZstdError, EOFError)
    except ImportError:
        pass
    try:
        import zstandard
    except ImportError:
        raise LimaError(
            f"{path} is compressed with Zstandard, which needs a library: `pip install 'lima-tune[zstd]'`."
        ) from None
    return _Frames(file, zstandard.ZstdDecompressor(max_window_size=2**WINDOW)), (zstandard.ZstdError, EOFError)


class _Frames:
    """The frames of a Zstandard file one after another; EOFError if it ends within one, which the library does not say"""

    def __init__(self, file: BinaryIO, expander: Any) -> None:
        self._file, self._expander, self._frame = file, expander, None
        self._packed, self._plain = b"", memoryview(b"")

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end"""
        while not self._plain:
            packed, self._packed = self._packed or self._file.read(_PIECE), b""
            if not packed:
                if self._frame is not None:
                    raise EOFError("Compressed file ended before the end of a frame")
                return b""
            frame: Any = self._frame or self._expander.decompressobj()
            self._plain = memoryview(frame.decompress(packed))
            self._frame, self._packed = (None, frame.unused_data) if frame.eof else (frame, b"")
        part, self._plain = self._plain[:size], self._plain[size:]
        return bytes(part)
