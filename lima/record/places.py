"""Where lima keeps what belongs to a user, and how a command names it. Knows nothing of what lies there."""

import os
import shlex
from pathlib import Path

import click


def user_folder() -> Path:
    """The folder that LIMA_USER_PATH names, else the user's folder for application data"""
    return Path(os.environ.get("LIMA_USER_PATH") or click.get_app_dir("lima-tune"))


def default_path() -> Path:
    """The database when none is named"""
    return user_folder() / "lima.db"


def resuming(run: str, database: Path) -> str:
    """The command that resumes a run of a database"""
    named = [] if database == default_path() else ["-d", str(database)]
    return shlex.join(["lima", "train", "--resume", run, *named])
