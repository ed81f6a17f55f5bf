"""Where a base model is: in a folder that is named, or in the one of a registered name.

Knows nothing of what a folder must have; `lima.model.folder` does.
"""

from pathlib import Path

from lima.errors import LimaError, did_you_mean
from lima.paths import absolute, is_folder, shown
from lima.plugins import Plugins


def find_base(name: str, plugins: Plugins) -> Path:
    """The folder of a base model, by path or registered name"""
    bases = plugins.registry("base_models")
    if not name:
        raise LimaError(
            f"The recipe names no base model. Use --base FOLDER, or a registered one.{did_you_mean('', bases)}"
        )
    if name in bases or name in bases.contested:
        return Path(bases.find(name).folder())
    if is_folder(folder := absolute(name)):
        return folder
    hub = f" Nothing is downloaded: `hf download {name} --local-dir FOLDER`, then --base FOLDER." if "/" in name else ""
    raise LimaError(
        f"The base model {shown(name)!r} is neither a folder nor a registered name.{hub}{did_you_mean(name, bases)}"
    )
