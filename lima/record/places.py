"""Where the store is when none is named, and how a command names it. Knows nothing of what it holds."""

import shlex
from pathlib import Path

from lima.places import user_folder as user_folder


def default_path() -> Path:
    """The database when none is named"""
    return user_folder() / "lima.db"


def resuming(run: str, database: Path) -> str:
    """The command that resumes a run of a database"""
    named = [] if database == default_path() else ["-d", str(database)]
    return shlex.join(["lima", "train", "--resume", run, *named])
