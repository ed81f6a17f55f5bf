"""A document as one self-contained HTML file: no script, nothing from elsewhere, a policy that allows only its own style sheet.

Prompts, replies, names and paths are hostile text: the template escapes everything and writes hidden characters out. Bars are
inline SVG in per cent of their width, so that their text keeps its size on a telephone. Knows nothing of where numbers come from.
"""

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lima import __version__, visible
from lima_dialogue_eval import write_whole
from lima_studies.report.document import Bar, Document, Number

MEAN = "mean"
"A part of a bar that is a place on a scale, and no share: what is read beside it says which"


def write_document(document: Document, path: Path) -> Path:
    """Write the page to a file, completely or not at all; the file's path"""
    return write_whole(render(document), path)


def render(document: Document) -> str:
    """The page"""
    style = (resources.files("lima_studies") / "report" / "report.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("lima_studies", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    environment.tests["number"] = lambda value: isinstance(value, Number)
    environment.globals["stretches"] = stretches
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html.jinja").render(
        version=__version__, d=document, style=style, style_hash=digest
    )


def stretches(bar: Bar) -> list[dict[str, Any]]:
    """The parts of a bar with their places in per cent; a part that is too small for its number has no text"""
    found, at = [], 0.0
    for part in bar.parts:
        wide = 100 * part.share
        text = f"{wide:.0f}" if wide >= 7 and part.name != MEAN else ""
        found.append(
            {"name": part.name, "x": f"{at:.3f}", "w": f"{wide:.3f}", "mid": f"{at + wide / 2:.3f}", "text": text}
        )
        at += wide
    return found
