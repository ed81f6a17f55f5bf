"""Bytes of one file of a dump: plain, gzip, or a member of a 7z archive, which the user's own 7z unpacks into a pipe.

Nothing is written to the disk, and what unpacks to far more than it is breaks off. Knows nothing of XML.
"""

import gzip
import io
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lima import LimaError, visible

PROGRAMS = ("7z", "7zz", "7za")
"Names of the program that unpacks 7z archives, as different systems have it"
RATIO, ALLOWED = 200, 1 << 26
"How many times its own size an archive may unpack to, beyond the first bytes; dumps do about 5 times"


class Counted(io.RawIOBase):
    """A stream that knows how much was read of it; LimaError where that is more than `most`"""

    def __init__(self, stream: Any, file: str, most: float = float("inf")) -> None:
        self.stream, self.file, self.most, self.count = stream, file, most, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes"""
        try:
            data: bytes = self.stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as e:
            raise LimaError(
                f"{self.file}, after {self.count:,} unpacked bytes: the archive is damaged or cut short ({e}). Download it again."
            ) from None
        except OSError as e:
            raise LimaError(f"Cannot read {self.file}: {e.strerror or e}.") from None
        self.count += len(data)
        if self.count > self.most:
            raise LimaError(
                f"{self.file} unpacks to more than {RATIO} times its size, which no dump does. Nothing more of it was read."
            )
        return data


@contextmanager
def opened(file: Path, member: str) -> Iterator[tuple[BinaryIO, Counted]]:
    """The file's bytes, of a 7z archive those of a member; and what counts the bytes of the file itself as far as it is known

    LimaError where it cannot be read, now or when its end was reached."""
    name = visible(str(file))
    with ExitStack() as stack:
        if file.suffix.lower() == ".7z":
            found = Counted(stack.enter_context(_unpacked(file, member)), f"{name}: {member}", _most(file))
            yield found, found  # type: ignore[misc]
            return
        try:
            plain = Counted(stack.enter_context(file.open("rb")), name)
        except OSError as e:
            raise LimaError(
                f"Cannot read {name}: {e.strerror}. Name a folder with Posts.xml, or the file itself."
            ) from None
        if file.suffix.lower() != ".gz":
            yield plain, plain  # type: ignore[misc]
            return
        unpacking = gzip.GzipFile(fileobj=plain)
        yield Counted(unpacking, name, _most(file)), plain  # type: ignore[misc]


def _most(file: Path) -> float:
    size = file.stat().st_size if file.is_file() else 0
    return RATIO * size + ALLOWED if size else float("inf")


@contextmanager
def _unpacked(archive: Path, member: str) -> Iterator[Any]:
    """A pipe with a member of an archive; the program ends with the block"""
    with tempfile.TemporaryFile() as said:
        command = [_program(archive), "e", "-so", "-p", "-bd", "--", str(archive.absolute()), member]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
        try:
            yield _Pipe(process, said, f"{visible(str(archive))}: {member}")
        finally:
            process.kill()
            process.communicate()


class _Pipe:
    """What a program writes; at its end LimaError unless it wrote something and ended well"""

    def __init__(self, process: "subprocess.Popen[bytes]", said: Any, what: str) -> None:
        self.process, self.said, self.what, self.any = process, said, what, False

    def read(self, size: int) -> bytes:
        data: bytes = self.process.stdout.read(size)  # type: ignore[union-attr]
        self.any = self.any or bool(data)
        if data:
            return data
        code = self.process.wait()
        self.said.seek(0)
        lines = [line for line in self.said.read().decode("utf-8", "replace").splitlines() if line.strip()]
        if code:
            why = next((line for line in lines if "ERROR" in line.upper()), lines[-1] if lines else "")
            raise LimaError(
                f"{self.what}: 7z ended with code {code} ({visible(why[:200])}). Download the archive again."
            )
        if not self.any:
            raise LimaError(
                f"{self.what}: the archive has no such file. Name an archive of a dump, such as coffee.stackexchange.com.7z."
            )
        return b""


def members(archive: Path) -> frozenset[str]:
    """The names of the files in an archive, as 7z lists them"""
    command = [_program(archive), "l", "-slt", "-p", "--", str(archive.absolute())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return frozenset(line.removeprefix("Path = ") for line in lines if line.startswith("Path = "))


def _program(archive: Path) -> str:
    if not archive.is_file():
        raise LimaError(f"The archive {visible(str(archive))} does not exist.")
    if found := next((found for name in PROGRAMS if (found := shutil.which(name))), ""):
        return found
    raise LimaError(
        f"{visible(str(archive))} is a 7z archive, and the program 7z is not installed. Install it (apt install p7zip-full, brew "
        "install sevenzip), or unpack the archive and name the folder."
    )
