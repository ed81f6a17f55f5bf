"""A set of local pages: what is at which path, the files that they load, and the personal links that lead there.

Every page is below a link's secret, `http://127.0.0.1:PORT/SECRET/PATH`, so its own addresses are relative (`static/grade.js`).
The functions that answer run one after another in one thread, which opens and owns what they work on, such as a store. Knows
nothing of sockets (see `serving`) and of who is let in (see `guard`).
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lima import LimaError, NotJson, parse_json
from lima_dialogue_eval.pages.links import Link

FRAME_FILES = Path(__file__).with_name("static")
"The frame's own style sheet, `static/frame.css`"


@dataclass(frozen=True)
class Asked:
    """One request as a page's function sees it"""

    link: Link
    "By which personal link it came"
    opened: Any
    "What the pages work on, as `opened` of the pages gave it"
    path: dict[str, Any]
    "The values of the path's parameters"
    query: dict[str, str]
    body: bytes = b""

    def json(self, *keys: str) -> dict[str, Any]:
        """The body as a JSON object that has these keys; LimaError for anything else"""
        try:
            found = parse_json(self.body.decode())
        except (NotJson, UnicodeDecodeError):
            raise LimaError("The page sent something that is not JSON. Reload it.") from None
        if not isinstance(found, dict) or (missing := [key for key in keys if key not in found]):
            what = f"lacks {missing[0]!r}" if isinstance(found, dict) else "is not a JSON object"
            raise LimaError(f"What the page sent {what}. Reload it.")
        return found


Answer = Callable[[Asked], Any]
"Takes what was asked; returns HTML as text, a dict or list that becomes JSON, or a starlette Response"


@dataclass(frozen=True)
class Page:
    """What answers at a path below a link"""

    path: str
    "As in starlette: '', 'runs/{run}', 'turns/{turn:int}'"
    answer: Answer
    method: str = "GET"
    roles: tuple[str, ...] = ()
    "The roles of links that may ask; empty: all of them"


@dataclass
class LocalPages:
    """Pages that belong together, to be served by `serving.serve_pages`"""

    name: str
    "What they are, for error pages"
    pages: Sequence[Page]
    links: Sequence[Link]
    "Who may open them; of the first one, `serve_pages` prints the link first"
    static: Sequence[Path] = ()
    "Folders whose files are at `static/NAME`, below every link; the frame's own come last"
    opened: Callable[[], AbstractContextManager[Any]] = field(default=lambda: nullcontext())
    "Opens what the pages work on, in the thread in which they answer; closed when the server stops"
    max_body: int = 1_000_000
    "Bytes of a request's body; a longer one is refused"

    def answered(self, page: Page, asked: Asked) -> Any:
        """A page's answer as a Response; a LimaError becomes a 400 with its sentence, another error a 500 and a traceback"""
        from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

        if page.roles and asked.link.role not in page.roles:
            return PlainTextResponse(f"This link does not open that page of {self.name}.", 403)
        try:
            found = page.answer(asked)
        except LimaError as e:
            return PlainTextResponse(str(e), 400)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return PlainTextResponse("lima failed here: the terminal in which it runs says more.", 500)
        if isinstance(found, Response):
            return found
        return HTMLResponse(found) if isinstance(found, str) else JSONResponse(found)
