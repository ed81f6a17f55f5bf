"""From a question, an answer and the comments on both to the turns of a dialogue between who asked and who answered.

A comment is meant for the author of the post that it is on, unless it begins with somebody else's name; what an author writes
under their own post is meant for who commented last. Knows nothing of dumps or of the index.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import pairwise

from lima_chat import Turn
from lima_stackexchange.columns import Text
from lima_stackexchange.licences import licence_on
from lima_stackexchange.markdown import Cleaned, cleaned, comment_text

USER, ASSISTANT, OTHERS = "user", "assistant", "others"

_EDIT = re.compile(
    r"<(?:p|h[1-6])>\s*(?:<(?:strong|em|b|i)>\s*)*(?:EDIT|UPDATE|ADDENDUM|Edit|Update|Addendum)(?:\s?#?\d{1,2})?\s*"
    r"(?:\([^()<>]{0,40}\)\s*)?(?::|-|–|—|</(?:strong|em|b|i|h[1-6])>)"
)
"Where an author adds to a post, and says so"
_MARKS = ("EDIT", "Edit", "UPDATE", "Update", "ADDENDUM", "Addendum")
_MARK = re.compile(r"^\W*(?:edit|update|addendum)(?:\s?#?\d{1,2})?\s*(?:\([^()]{0,40}\))?[\s:*_–—-]*", re.I)
_NAME = re.compile(r"^\s*@([^\W\d_][\w.-]*)\s*[,:;.!–—-]*\s*")
_PLUS = re.compile(r"^\s*\+\s?1\b[\s.,:;!–—-]*(?:(?:for|to) (?:this|that|the)\b[^.]{0,60}\.\s*)?")
_ELSEWHERE = re.compile(r"\s*[–—-]*\s*(?<!\S)@[^\W\d_][\w.-]*(?=[\s.,;:!?)]|$)")


@dataclass(frozen=True, slots=True)
class Post:
    """A question or an answer"""

    text: Text
    name: str
    "Of its author, as far as it is known"
    title: str = ""
    edited: str = ""
    "When its author changed it last; '' if nobody or somebody else did"


@dataclass(frozen=True)
class Said:
    """One part of a chain; its text is made when it is asked for, because most chains are too short"""

    role: str
    kind: str
    "Question, answer, comment, or an edit of one of the first"
    source: str
    written: str
    of: Text
    name: str
    "Of its author, as far as it is known"
    on: int
    "The post that it is or is on"
    title: str = ""

    @cached_property
    def made(self) -> Cleaned:
        """What it says, without names before it, `+1`, and the mark of an edit"""
        if self.kind == "comment":
            made = comment_text(_PLUS.sub("", _NAME.sub("", self.source, count=1)))
            return replace(made, text=_begun(_ELSEWHERE.sub("", made.text).strip()))
        made = cleaned(self.source)
        if self.kind.startswith("edit"):
            return replace(made, text=_begun(_MARK.sub("", made.text, count=1)))
        return replace(made, text=f"{html.unescape(self.title)}\n\n{made.text}".strip() if made.text else "")

    @property
    def text(self) -> str:
        """The text of it"""
        return self.made.text


def chain(
    question: Post,
    answer: Post,
    under_question: Sequence[tuple[Text, str]],
    under_answer: Sequence[tuple[Text, str]],
    others: bool,
) -> list[Said]:
    """What the two said to each other, in order of time; comments come with their authors' names, in order of time

    With `others` the comments of third persons on the answer are in it, too, as the user's."""
    said = [*_post(question, USER, "question"), *_clarified(question, answer, under_question)]
    said += [*_post(answer, ASSISTANT, "answer"), *_followed(question, answer, under_answer, others)]
    return [said[0], *sorted(said[1:], key=lambda one: one.written)]


def exchanges(said: Sequence[Said]) -> int:
    """How many exchanges the parts make, if none of them is empty: so many answers follow something of the user"""
    roles = [one.role for one in said]
    return sum(one == ASSISTANT != before for before, one in pairwise(roles))


def is_marked(body: str) -> bool:
    """Whether a post has a part that its author added with a mark"""
    return any(word in body for word in _MARKS) and bool(_EDIT.search(body))


def turns(said: Sequence[Said]) -> tuple[list[Turn], list[Said]]:
    """The turns of a chain up to the last answer, and the parts that are in them; parts of one role in a row are one turn"""
    said = [one for one in said if one.text]
    last = max((place for place, one in enumerate(said) if one.role == ASSISTANT), default=-1)
    made, used = list[Turn](), said[: last + 1]
    for one in used:
        if made and made[-1].role == one.role:
            made[-1] = Turn(one.role, f"{made[-1].content}\n\n{one.text}")
        else:
            made.append(Turn(one.role, one.text))
    return made, used


def _post(post: Post, role: str, kind: str) -> list[Said]:
    """A post as it was first, and what its author added with a mark"""
    body = post.text.text
    found = _EDIT.search(body) if post.edited else None
    before = body[: found.start()] if found else body
    said = [Said(role, kind, before, post.text.written, post.text, post.name, post.text.id, post.title)]
    if found:
        licence = licence_on(date.fromisoformat(post.edited[:10]))
        edit = post.text._replace(written=post.edited, licence=licence)
        said.append(Said(role, f"edit of the {kind}", body[found.start() :], post.edited, edit, post.name, edit.id))
    return said


def _clarified(question: Post, answer: Post, comments: Sequence[tuple[Text, str]]) -> list[Said]:
    """What the answerer asked under the question, each with the asker's reply right behind it"""
    roles = [_role(text, question, answer) for text, _ in comments]
    pairs = [at for at in range(len(comments) - 1) if roles[at : at + 2] == [ASSISTANT, USER]]
    return [_comment(*comments[place], roles[place], question) for at in pairs for place in (at, at + 1)]


def _followed(question: Post, answer: Post, comments: Sequence[tuple[Text, str]], others: bool) -> list[Said]:
    """What the two wrote to each other under the answer"""
    said, partner = list[Said](), USER
    for text, name in comments:
        role = _role(text, question, answer)
        named = _named(text.text)
        if others and role == OTHERS:
            role = USER
        if role == ASSISTANT:
            to = (
                USER
                if named and _is(named, question.name)
                else OTHERS
                if named and question.name and not others
                else partner
            )
        else:
            partner = to = role
            if role == USER and named and not _is(named, answer.name) and (answer.name or _third(named, comments)):
                to = OTHERS
        if to == USER:
            said.append(_comment(text, name, role, answer))
    return said


def _comment(text: Text, name: str, role: str, on: Post) -> Said:
    return Said(role, "comment", text.text, text.written, text, name, on.text.id)


def _role(text: Text, question: Post, answer: Post) -> str:
    if text.author.is_same(question.text.author):
        return USER
    return ASSISTANT if text.author.is_same(answer.text.author) else OTHERS


def _named(text: str) -> str:
    """Whom a comment begins with"""
    found = _NAME.match(text)
    return found[1] if found else ""


def _is(called: str, name: str) -> bool:
    """Whether somebody may be called so: the site takes the first three letters and more of a name, without spaces"""
    short = called.lower().rstrip(".-")
    return len(short) >= 3 and name.replace(" ", "").lower().startswith(short)


def _third(called: str, comments: Sequence[tuple[Text, str]]) -> bool:
    """Whether one of those who commented is called so"""
    return any(_is(called, name) for _, name in comments)


def _begun(text: str) -> str:
    """With a capital, as a sentence has without the name before it"""
    return text[:1].upper() + text[1:] if re.match(r"[a-z][a-z']*[\s.,;:!?]", text) else text
