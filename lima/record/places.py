"""Where lima keeps what belongs to a user. Knows nothing of what lies there."""

import os
from pathlib import Path

import click


def user_folder() -> Path:
    """The folder that LIMA_USER_PATH names, else the user's folder for application data"""
    return Path(os.environ.get("LIMA_USER_PATH") or click.get_app_dir("lima-tune"))


def default_path() -> Path:
    """The database when none is named"""
    return user_folder() / "lima.db"
