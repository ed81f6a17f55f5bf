"""Where the store is when none is named. Knows nothing of what it holds."""

from pathlib import Path

from lima.places import user_folder as user_folder


def default_path() -> Path:
    """The database when none is named"""
    return user_folder() / "lima.db"
