"""The page on which a person looks at one case after another, blind. Works without a script; the script adds keys.

No page names a system. Knows nothing of sockets and of who is let in.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from lima import Store
from lima_dialogue_eval import Asked, LocalPages, Page, page_templates, personal_link
from lima_studies.people.desk import Desk, Said
from lima_studies.record.study import Study

LETTERS = "AB"


def rating_pages(
    study: str, raters: Sequence[tuple[str, str]], opened: Callable[[], AbstractContextManager[Store]]
) -> LocalPages:
    """The pages of a study, with a link for each (name, group)"""
    purpose = f"study {study}"
    links = [personal_link(purpose, name, team) for name, team in raters]
    shown = _Shown(study)
    pages = [
        Page("", shown.begin),
        Page("cases/{place:int}", shown.case),
        Page("cases/{place:int}", shown.take, "POST"),
    ]
    return LocalPages(purpose, pages, links, [Path(__file__).with_name("static")], opened)


class _Shown:
    """What the pages of one study answer"""

    def __init__(self, study: str) -> None:
        self.study = study
        self.templates = page_templates("lima_studies", "people/templates")

    def _desk(self, asked: Asked) -> Desk:
        return Desk(Study(asked.opened, self.study), asked.link.name)

    def begin(self, asked: Asked) -> Any:
        """To the first open case, or thanks"""
        from starlette.responses import RedirectResponse

        desk = self._desk(asked)
        if places := desk.open_places():
            return RedirectResponse(f"cases/{places[0]}", 303)
        return self.templates.get_template("finished.html.jinja").render(rater=desk.rater, count=len(desk.items))

    def case(self, asked: Asked) -> str:
        """One case"""
        desk, place = self._desk(asked), asked.path["place"]
        question, case = desk.at(place)
        said = desk.said()
        return self.templates.get_template("case.html.jinja").render(
            base="../",
            rater=desk.rater,
            place=place,
            count=len(desk.items),
            done=len(desk.items) - len(desk.open_places()),
            question=question,
            case=case,
            names=[f"Reply {letter}" for letter in LETTERS[: len(case.replies)]]
            if len(case.replies) > 1
            else ["Reply"],
            said=said.get((question.name, case.key), Said("", "")),
            event=secrets.token_hex(8),
        )

    def take(self, asked: Asked) -> Any:
        """An answer from the form; on to the next open case"""
        from starlette.responses import RedirectResponse

        fields = {name: values[-1] for name, values in parse_qs(asked.body.decode("utf-8", "replace")).items()}
        desk, place = self._desk(asked), asked.path["place"]
        comment = fields.get("comment", "").replace("\r\n", "\n")
        desk.take(place, fields.get("label", ""), comment, fields.get("event", ""))
        places = desk.open_places()
        onward = next((p for p in places if p > place), places[0] if places else None)
        return RedirectResponse(f"../cases/{onward}" if onward else "../", 303)
