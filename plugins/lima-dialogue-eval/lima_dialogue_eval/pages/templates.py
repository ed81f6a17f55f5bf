"""Templates of pages: everything that they print is escaped, and hidden characters are written out. Knows no page."""

from typing import TYPE_CHECKING, Any

from lima import pieces

if TYPE_CHECKING:
    from jinja2 import Environment


def page_templates(package: str, folder: str = "templates") -> "Environment":
    """The Jinja templates in a package's folder, and the frame's own: `frame.html.jinja` to extend, `frame_parts.jinja`

    All values are escaped. A text that a model, file or person gave goes through `shown` of `frame_parts.jinja`, which marks
    hidden characters; `pieces(text)` is what it uses. A page below a folder of its link, such as `runs/3`, is rendered with
    `base="../"`, which leads to the link itself."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=ChoiceLoader([PackageLoader(package, folder), PackageLoader("lima_dialogue_eval", "pages/templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(pieces=_pieces, base="")
    return found


def _pieces(value: Any) -> list[tuple[bool, str]]:
    return pieces(str(value))
