"""The report on a local page that loads conversations when they are opened, and searches them in the store.

The figures and the list are those of the start; a conversation is read when it is asked for. Knows nothing of sockets and links.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from lima import LimaError, Store
from lima_dialogue_eval.pages.frame import Asked, LocalPages, Page
from lima_dialogue_eval.pages.links import personal_link
from lima_dialogue_eval.report.document import Document, in_short
from lima_dialogue_eval.report.page import STATIC, marked, page
from lima_dialogue_eval.report.talks import SEARCHED, Talks


@dataclass(frozen=True)
class _Served:
    """What the pages work on"""

    store: Store
    talks: Talks
    ids: list[str]
    page: str


def report_pages(document: Document, opened: Callable[[], AbstractContextManager[Store]]) -> LocalPages:
    """The pages of a report, which one link opens; `opened` opens the store that it is about"""
    runs = ",".join(run["id"] for arm in document.arms for run in arm.runs)

    @contextmanager
    def begin() -> Iterator[_Served]:
        with opened() as store:
            talks = document.talks()
            short = [in_short(conversation) for conversation in document.conversations(store, talks)]
            yield _Served(store, talks, [one["id"] for one in short], page(store, document, talks, short))

    return LocalPages(
        name=f"report {runs}",
        pages=[
            Page("", lambda asked: asked.opened.page),
            Page("conversations/{number:int}", _conversation),
            Page("search", _search),
        ],
        links=[personal_link("report", runs)],
        static=[STATIC],
        opened=begin,
    )


def _conversation(asked: Asked) -> Any:
    """The dialogues of one conversation, by its place in the list"""
    served, number = asked.opened, asked.path["number"]
    if number >= len(served.ids):
        raise LimaError(f"The report has {len(served.ids)} conversations, and none with the number {number}.")
    return marked(served.talks.read(served.store, served.ids[number]))


def _search(asked: Asked) -> list[int]:
    """The places of the conversations in which something is said, whatever the case of its letters"""
    served, query = asked.opened, asked.query.get("q", "").casefold()
    talks = served.talks.without_prompts()
    return [i for i, id in enumerate(served.ids) if contains(talks.read(served.store, id), query)]


def contains(value: Any, query: str) -> bool:
    """Whether one of the texts that are searched contains a casefolded query"""
    if isinstance(value, str):
        return query in value.casefold()
    if isinstance(value, list):
        return any(contains(one, query) for one in value)
    return isinstance(value, dict) and any(contains(value[key], query) for key in value.keys() & SEARCHED)
