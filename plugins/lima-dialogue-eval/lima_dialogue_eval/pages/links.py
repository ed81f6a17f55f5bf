"""Personal links: an unguessable part of the address for each person and purpose, the same after a restart.

It is derived from a key in lima's own folder, which only its owner can read; a database holds none of it. Knows nothing of pages.
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lima import LimaError, user_folder


@dataclass(frozen=True)
class Link:
    """Who comes by it, as what, and its secret"""

    name: str
    "A person's name, or what the link is for"
    role: str
    secret: str


def personal_link(purpose: str, name: str, role: str = "") -> Link:
    """The link of one person to one thing, such as a study; the same each time on this machine"""
    text = "\0".join((purpose, role, name)).encode("utf-8", "surrogatepass")
    return Link(name, role, hmac.new(_key(), text, hashlib.sha256).hexdigest()[:40])


def usual_port(purpose: str) -> int:
    """A port between 20000 and 30000 that this purpose always asks for first, so that links hold after a restart"""
    return (
        20_000 + int.from_bytes(hashlib.sha256(purpose.encode("utf-8", "surrogatepass")).digest()[:4], "big") % 10_000
    )


def _key() -> bytes:
    """The key of this machine's links, made when there is none"""
    path: Path = user_folder() / "pages.key"
    try:
        if not path.exists():
            _write(path)
        found = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        why = getattr(e, "strerror", None) or "it is not text"
        raise LimaError(
            f"Cannot keep the key of the links in {path}: {why}. Set LIMA_USER_PATH to a folder of yours."
        ) from None
    if len(found) < 64:
        raise LimaError(
            f"{path} is not a key that lima wrote. Delete it; links that were given out before are void then."
        )
    return found.encode()


def _write(path: Path) -> None:
    """A new key, readable to its owner only; another process that is first wins"""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".pages.key.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
