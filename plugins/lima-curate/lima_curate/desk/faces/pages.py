"""The pages on which people curate, and the coordinator's: what each shows, and what it takes. All texts come escaped.

Knows nothing of sockets and of who is let in.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from lima import LimaError, Store, visible
from lima_curate.desk.examples.events import LONGEST, LONGEST_REASON, SETTLE, read_event
from lima_curate.desk.faces.views import counted, first_words, origin, progress_text, shown_turns, standing
from lima_curate.desk.record import decided
from lima_curate.desk.record.curations import Curation, command
from lima_curate.desk.record.person import ALL, SHOWS, Desk
from lima_dialogue_eval import Asked, LocalPages, Page, page_templates, personal_link

EDITOR, COORDINATOR = "editor", "coordinator"
MOST_EVENTS = 50
"In one request"
A_PAGE = 100
"Rows of the list on one page"


def curation_pages(curation: Curation, opened: Callable[[], AbstractContextManager[Store]]) -> LocalPages:
    """The pages of a curation with a link for each person, in their order; of several people the coordinator's last"""
    purpose = f"curation {curation.name}"
    links = [personal_link(purpose, person, EDITOR) for person in curation.people]
    if len(links) > 1:
        links.append(personal_link(purpose, COORDINATOR, COORDINATOR))
    shown = _Shown(curation)
    pages = [
        Page("", lambda asked: shown.begin(asked) if asked.link.role == EDITOR else shown.coordinator(asked)),
        Page("candidates/{number:int}", shown.candidate, roles=(EDITOR,)),
        Page("list", shown.listing, roles=(EDITOR,)),
        Page("events", shown.take, "POST", roles=(EDITOR,)),
        Page("new", shown.new, "POST", roles=(EDITOR,)),
        Page("settle/{number:int}", shown.dispute, roles=(COORDINATOR,)),
        Page("settle", shown.settle, "POST", roles=(COORDINATOR,)),
    ]
    return LocalPages(purpose, pages, links, [Path(__file__).with_name("static")], opened, max_body=4_000_000)


class _Shown:
    """What the pages of one curation answer"""

    def __init__(self, curation: Curation) -> None:
        self.curation = curation
        self.templates = page_templates("lima_curate", "desk/faces/templates")
        self.templates.globals.update(visible=visible, shows=SHOWS, longest_reason=LONGEST_REASON, longest=LONGEST)

    def _render(self, template: str, **values: Any) -> str:
        return self.templates.get_template(template).render(curation=self.curation, **values)

    def begin(self, asked: Asked) -> Any:
        """To the first open candidate, else to the list"""
        from starlette.responses import RedirectResponse

        number = self._desk(asked).next_open(0)
        return RedirectResponse("list" if number is None else f"candidates/{number}", 303)

    def candidate(self, asked: Asked) -> str:
        desk, (show, search) = self._desk(asked), _filter(asked.query)
        one = desk.candidate(asked.path["number"])
        return self._render(
            "candidate.html.jinja",
            base="../",
            candidate=one,
            person=desk.person,
            origin=origin(desk, one),
            turns=shown_turns(desk, one, desk.state(one.number)),
            state=(state := standing(desk, one, show, search)),
            as_json=json.dumps(state),
            progress=progress_text(state["progress"]),
            query=_query(show, search),
        )

    def take(self, asked: Asked) -> Mapping[str, Any]:
        """Events of a person; answers which were refused, what stands of the candidate in view, and its turns as HTML"""
        desk, sent = self._desk(asked), asked.json("events", "candidate", "show", "search")
        raw, words = sent["events"], (sent["show"], sent["search"])
        if not isinstance(raw, list) or len(raw) > MOST_EVENTS or any(not isinstance(one, str) for one in words):
            raise LimaError(f"Expected a list of at most {MOST_EVENTS} events, and what is shown.")
        if type(sent["candidate"]) is not int:
            raise LimaError("Expected the number of a candidate.")
        events, refused = [], {}
        for one in raw:
            try:
                events.append(read_event(one))
            except LimaError as e:
                refused[str(one.get("id"))[:64] if isinstance(one, dict) else ""] = str(e)
        refused |= desk.take(events)
        found = desk.candidate(sent["candidate"])
        state = standing(desk, found, *_filter({"show": words[0], "q": words[1]}))
        html = self._render("work.html.jinja", turns=shown_turns(desk, found, desk.state(found.number)), state=state)
        text = progress_text(state["progress"])
        return {"candidate": found.number, "refused": refused, "state": state, "html": html, "progress": text}

    def new(self, asked: Asked) -> Mapping[str, Any]:
        """An example of the person's own; where it is"""
        event = asked.json("id")["id"]
        if not isinstance(event, str) or not 8 <= len(event) <= 64 or not event.isascii():
            raise LimaError("Expected an id of 8 to 64 letters.")
        return {"candidate": self._desk(asked).write_new(event)}

    def listing(self, asked: Asked) -> str:
        """What a person has, by status and words, a hundred at a time"""
        desk, (show, search) = self._desk(asked), _filter(asked.query)
        found = desk.listed(show, search)
        first = int(page) if (page := asked.query.get("from", "")).isdecimal() and len(page) < 9 else 0
        rows = []
        for number in list(found)[first : first + A_PAGE]:
            one, state = desk.candidate(number), desk.state(number)
            words = next((turn.content for turn in state.turns(one.turns) if turn.content.strip()), "")
            about = {"number": number, "status": state.status, "reason": state.reason}
            rows.append(about | {"words": first_words(words), "id": origin(desk, one)["id"]})
        progress = counted(desk.statuses().values())
        return self._render(
            "list.html.jinja",
            person=desk.person,
            rows=rows,
            found=len(found),
            first=first,
            show=show,
            search=search,
            query=_query(show, search),
            more=_query(show, search, first + A_PAGE) if first + A_PAGE < len(found) else "",
            progress=progress,
            progress_text=progress_text(progress),
            open=desk.next_open(0, found) or desk.next_open(0),
        )

    def coordinator(self, asked: Asked) -> str:
        store, found = asked.opened, list(decided.outcomes(asked.opened, self.curation))
        people = [
            {"person": person, **_progress(Desk(store, self.curation, person))} for person in self.curation.people
        ]
        disputed = [one for one in found if one.status == decided.DISPUTED or one.settled]
        return self._render(
            "coordinator.html.jinja",
            people=people,
            totals=decided.totals(found),
            outcomes=decided.OUTCOMES,
            disputed=[(one, first_words(one.candidate.turns[0].content)) for one in disputed],
            definition=decided.DEFINITION,
            export=command(store, "export", self.curation.name, "--out", f"{self.curation.name}.jsonl"),
        )

    def dispute(self, asked: Asked) -> str:
        """One example on which people disagree, in all versions"""
        found = decided.outcome(asked.opened, self.curation, asked.path["number"])
        if found.status != decided.DISPUTED and not found.settled:
            raise LimaError("On this example nobody disagrees (any more).")
        versions = [
            {"person": person, "state": state, "turns": state.turns(found.candidate.turns)}
            for person, state in found.states.items()
        ]
        return self._render(
            "dispute.html.jinja", base="../", found=found, versions=versions, event=secrets.token_hex(8)
        )

    def settle(self, asked: Asked) -> Any:
        """The coordinator's choice from a form; back to the overview"""
        from starlette.responses import RedirectResponse

        fields = {name: values[-1] for name, values in parse_qs(asked.body.decode("utf-8", "replace")).items()}
        number = int(text) if (text := fields.get("candidate", "")).isdecimal() and len(text) < 9 else 0
        by = fields.get("by", "")
        event = {"id": fields.get("event", ""), "candidate": number, "kind": SETTLE, "value": {"by": by}, "seen": 0}
        decided.settle(asked.opened, self.curation, read_event(event))
        return RedirectResponse("./", 303)

    def _desk(self, asked: Asked) -> Desk:
        return Desk(asked.opened, self.curation, asked.link.name)


def _progress(desk: Desk) -> dict[str, Any]:
    return counted(desk.statuses().values())


def _filter(query: Mapping[str, str]) -> tuple[str, str]:
    """What is to be shown, and the words that are looked for"""
    show = query.get("show", ALL)
    return show if show in SHOWS else ALL, query.get("q", "").strip()[:200]


def _query(show: str, search: str, first: int = 0) -> str:
    """The same as a part of an address; empty where everything is shown"""
    found = {"show": show if show != ALL else "", "q": search, "from": str(first) if first else ""}
    text = urlencode({key: value for key, value in found.items() if value})
    return f"?{text}" if text else ""
