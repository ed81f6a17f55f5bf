"""Where the store is when none is named, and how a command names it. Knows nothing of what it holds."""

import shlex
from pathlib import Path

from lima.places import user_folder as user_folder


def default_path() -> Path:
    """The database when none is named"""
    return user_folder() / "lima.db"


def command_on(database: Path, *words: str) -> str:
    """The command of lima with these words on a database, as it is typed; it names the database unless it is the default"""
    named = [] if database == default_path() else ["-d", str(database)]
    return shlex.join(["lima", *words, *named])


def resuming(run: str, database: Path) -> str:
    """The command that resumes a run of a database"""
    return command_on(database, "train", "--resume", run)
