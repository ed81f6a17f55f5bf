"""The pages on which people grade, and the coordinator's: what each shows, and what it takes. All texts come escaped.

A rater's page names no model, run or arm before everybody has finished. Knows nothing of sockets and of who is let in.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from lima import GRADES, LimaError, Store, visible
from lima_dialogue_eval.pages.frame import Asked, LocalPages, Page
from lima_dialogue_eval.pages.links import personal_link
from lima_dialogue_eval.pages.templates import page_templates
from lima_dialogue_eval.people import overview
from lima_dialogue_eval.people.events import GRADE, State, read_event
from lima_dialogue_eval.people.grading import Grading, following
from lima_dialogue_eval.people.studies import Study
from lima_dialogue_eval.people.talks import Item, two_sided
from lima_dialogue_eval.record.people import ADJUDICATED

RATER, COORDINATOR = "rater", "coordinator"
MOST_EVENTS = 50
"In one request"


def grading_pages(study: Study, opened: Callable[[], AbstractContextManager[Store]]) -> LocalPages:
    """The pages of a study with a link for each rater, in their order, and the coordinator's last"""
    purpose = f"grading {study.id}"
    links = [personal_link(purpose, rater, RATER) for rater in study.plan.raters]
    links.append(personal_link(purpose, COORDINATOR, COORDINATOR))
    shown = _Shown(study)
    pages = [
        Page("", lambda asked: shown.begin(asked) if asked.link.role == RATER else shown.coordinator(asked)),
        Page("conversations/{place:int}", shown.conversation, roles=(RATER,)),
        Page("events", shown.take, "POST", roles=(RATER,)),
        Page("named", shown.name, "POST", roles=(RATER,)),
        Page("settle/{item:int}/{turn:int}/{side}", shown.dispute, roles=(COORDINATOR,)),
        Page("settle", shown.settle, "POST", roles=(COORDINATOR,)),
    ]
    return LocalPages(purpose, pages, links, [Path(__file__).with_name("static")], opened)


class _Shown:
    """What the pages of one study answer"""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.templates = page_templates("lima_dialogue_eval", "people/templates")
        self.templates.globals.update(grades=GRADES[::-1], visible=visible)

    def _render(self, template: str, **values: Any) -> str:
        return self.templates.get_template(template).render(study=self.study, **values)

    def begin(self, asked: Asked) -> Any:
        """To the first open conversation, or what there is to say after the last"""
        from starlette.responses import RedirectResponse

        grading = _grading(asked, self.study)
        if (place := grading.first_open()) is not None:
            return RedirectResponse(f"conversations/{place}", 303)
        store, models = asked.opened, []
        ended = overview.finished(store, self.study)
        if ended and grading.named:
            models = overview.models(store, self.study, overview.given(store, self.study), grading.rater)
        return self._render(
            "finished.html.jinja", rater=grading.rater, ended=ended, models=models, items=grading.items()
        )

    def name(self, asked: Asked) -> Any:
        """A rater wants to know which model spoke, after which their grades stay; back to where that is said"""
        from starlette.responses import RedirectResponse

        if overview.finished(asked.opened, self.study):
            _grading(asked, self.study).name_models()
        return RedirectResponse("./", 303)

    def conversation(self, asked: Asked) -> str:
        grading = _grading(asked, self.study)
        item, standing = grading.at(asked.path["place"]), grading.standing()
        state = _state(grading, item, standing)
        return self._render(
            "conversation.html.jinja",
            base="../",
            item=item,
            talk=grading.talk(item),
            two=two_sided(item),
            asks=grading.asks_preference(item),
            state=json.dumps(state),
            progress=(state["graded"], state["replies"]),
            count=len(standing),
        )

    def take(self, asked: Asked) -> Mapping[str, Any]:
        """Events of a rater; answers which were refused, what stands of the conversation in view, and its newly shown turns"""
        grading, sent = _grading(asked, self.study), asked.json("events", "item", "have")
        raw = sent["events"]
        if (
            not isinstance(raw, list)
            or len(raw) > MOST_EVENTS
            or type(sent["item"]) is not int
            or type(sent["have"]) is not int
        ):
            raise LimaError(f"Expected a list of at most {MOST_EVENTS} events, a conversation, and the turns in view.")
        events, refused = [], {}
        for one in raw:
            try:
                events.append(read_event(one))
            except LimaError as e:
                refused[str(one.get("id"))[:64] if isinstance(one, dict) else ""] = str(e)
        refused |= grading.take(events)
        item = grading.item(sent["item"])
        new = [turn for turn in grading.talk(item).turns if turn.number > sent["have"]]
        html = self._render("turns.html.jinja", item=item, turns=new, two=two_sided(item)) if new else ""
        state = _state(grading, item, grading.standing())
        return {"item": item["item"], "refused": refused, "state": state, "html": html}

    def coordinator(self, asked: Asked) -> str:
        store = asked.opened
        given = overview.given(store, self.study)
        ended = overview.finished(store, self.study)
        return self._render(
            "coordinator.html.jinja",
            progress=overview.progress(store, self.study),
            agreement=overview.agreement(given),
            calibration=overview.calibration(store, self.study),
            disputed=overview.disputed(store, self.study, given),
            models=overview.models(store, self.study, given) if ended else [],
        )

    def dispute(self, asked: Asked) -> str:
        """One reply on which people disagree, with what came before it and what they said"""
        grading = Grading(asked.opened, self.study, ADJUDICATED)
        given = overview.given(asked.opened, self.study)
        item, cell = grading.item(asked.path["item"]), (asked.path["turn"], asked.path["side"])
        found = [
            one
            for one in overview.disputed(asked.opened, self.study, given)
            if (one.item, one.turn, one.side) == (item["item"], *cell)
        ]
        if not found:
            raise LimaError("On this reply nobody disagrees (any more).")
        talk = grading.talk(item)
        return self._render(
            "dispute.html.jinja",
            base="../../../",
            talk=talk,
            turns=[turn for turn in talk.turns if turn.number <= cell[0] and cell[1] in turn.sides],
            cell=cell,
            item=item,
            found=found[0],
            said=_said(asked.opened, item, cell, self.study),
            event=secrets.token_hex(8),
        )

    def settle(self, asked: Asked) -> Any:
        """The coordinator's grade from a form; back to the overview"""
        from starlette.responses import RedirectResponse

        fields = {name: values[-1] for name, values in parse_qs(asked.body.decode("utf-8", "replace")).items()}
        numbers = {name: int(fields[name]) if fields.get(name, "").isdecimal() else -1 for name in ("item", "turn")}
        side, grade, event = (fields.get(name, "") for name in ("side", "grade", "event"))
        comment = fields.get("comment", "").replace("\r\n", "\n")
        raw = {**numbers, "side": side}
        events = [read_event({**raw, "id": f"{event}-c", "kind": "comment", "value": comment})] if comment else []
        events.append(read_event({**raw, "id": event, "kind": GRADE, "value": grade}))
        refused = Grading(asked.opened, self.study, ADJUDICATED).take(events)
        for sentence in refused.values():
            raise LimaError(sentence)
        return RedirectResponse("./", 303)


def _grading(asked: Asked, study: Study) -> Grading:
    return Grading(asked.opened, study, asked.link.name)


def _state(grading: Grading, item: Item, standing: list[tuple[Item, State]]) -> dict[str, Any]:
    """What stands of a conversation and of all of the rater's, for the script of its page"""
    state = next(state for one, state in standing if one["item"] == item["item"])
    reached = state.reached(item["cells"])
    cells = []
    for turn, side in item["cells"]:
        if turn <= reached:
            one = state.of((turn, side))
            cells.append(
                {"turn": turn, "side": side, "grade": one.grade, "comment": one.comment, "ticks": dict(one.ticks)}
            )
    return {
        "cells": cells,
        "more": reached < max((turn for turn, _ in item["cells"]), default=0),
        "preferred": state.preferred,
        "undoable": [{"id": e.id, "turn": e.turn, "side": e.side, "kind": e.kind} for e in state.kept],
        "next": following(grading.open_places(standing), item["place"]),
        "graded": sum(state.graded for _, state in standing),
        "replies": sum(one["replies"] for one, _ in standing),
    }


def _said(store: Store, item: Item, cell: tuple[int, str], study: Study) -> list[dict[str, Any]]:
    """Each rater's grade and comment on a reply"""
    found = []
    for rater in study.plan.raters:
        grading = Grading(store, study, rater)
        for own in (one for one in grading.items() if one["item"] == item["item"]):
            swapped = own["left_run"] != item["left_run"]
            side = cell[1] if not swapped else {"left": "right", "right": "left"}[cell[1]]
            one = grading.state(own).of((cell[0], side))
            found.append({"rater": rater, "grade": one.grade, "comment": visible(one.comment)})
    return [row for row in found if row["grade"]]
