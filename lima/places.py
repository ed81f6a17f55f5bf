"""The folder of the user in which lima keeps what belongs to no project. Knows nothing of what lies there."""

import os
from pathlib import Path

import click


def user_folder() -> Path:
    """The folder that LIMA_USER_PATH names, else the user's folder for application data"""
    return Path(os.environ.get("LIMA_USER_PATH") or click.get_app_dir("lima-tune"))
