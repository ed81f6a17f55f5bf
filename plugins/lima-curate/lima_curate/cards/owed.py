"""What may be done with examples by the names of their licences, and the attribution that they ask for, as text.

Names of authors and addresses are hostile: each is one line, with hidden characters written out. No legal advice. Knows nothing
of where examples come from.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from lima import Record, visible
from lima_curate.cards.gathered import Gathered
from lima_curate.cards.licences import Together, licence_named, parts_of
from lima_dialogue_eval import count_of

ADVICE = (
    "This goes by the names of the licences alone and is not legal advice. Whether a model is an adaptation of what it was "
    "trained on is not decided here. Read the licences, and ask a lawyer where it matters."
)
CHANGES = (
    "Changes: each text was selected, taken out of its page and put into the form of prompts and answers; formatting, links and "
    "pictures may have been taken out, and texts cut or edited."
)
NAMELESS = "no licence"


def licences_of(record: Record) -> tuple[str, ...]:
    """The names of all licences that hold for an example: its own, and those of its parts"""
    found = parts_of(record.licence)
    parts = [name for credit in record.credits for name in parts_of(credit.licence)]
    return tuple(dict.fromkeys((*found, *parts))) or (NAMELESS,)


def counted(records: Iterable[Record]) -> dict[str, int]:
    """How many examples each licence holds for, the most frequent first"""
    return dict(Counter(name for one in records for name in licences_of(one)).most_common())


def conditions(counts: dict[str, int]) -> list[tuple[str, str]]:
    """(what is asked, the answer) for licences that hold for these numbers of examples"""
    together = Together.of(counts)
    open_ones = sum(counts[name] for name in together.unknown)

    def names(found: Sequence[str]) -> str:
        return ", ".join(f"{name} ({_of(counts, name)})" for name in found)

    def allowed(against: Sequence[str]) -> str:
        if against:
            return f"no: {names(against)}"
        return f"not known: of {_examples(open_ones)} the licence is not" if open_ones else "yes"

    lines = [
        ("commercial use", allowed(together.against_commerce)),
        ("derivatives", allowed(together.against_derivatives)),
        ("share alike", names(together.share_alike) or ("not by the licences that are known" if open_ones else "no")),
        ("attribution", names(together.attribution) or ("not by the licences that are known" if open_ones else "no")),
    ]
    lines += [
        ("unknown", f"{name!r} ({_examples(counts[name])}): find out what it allows before you use them")
        for name in together.unknown
    ]
    lines += [
        ("not together", f"{sentence} Do not merge their texts into one work") for sentence in together.conflicts()
    ]
    return lines


def _of(counts: dict[str, int], name: str) -> str:
    number = sum(count for text, count in counts.items() if (found := licence_named(text)) and found.name == name)
    return _examples(number)


def _examples(number: int) -> str:
    return count_of(number, "example")


def attribution(sources: Sequence[Gathered]) -> Iterator[str]:
    """The attribution that the licences ask for, line by line: who wrote what, with addresses, licences and changes"""
    names, nameless = set[str](), defaultdict[tuple[str, str], int](int)
    for source in sources:
        for record in source.records:
            asked = [
                name for name in licences_of(record) if (found := licence_named(name)) is None or found.attribution
            ]
            if not asked:
                continue
            names.update(asked)
            if not record.credits:
                nameless[record.source or source.name, " AND ".join(asked)] += 1
                continue
            yield _line(f"{record.id} of {source.name}" if len(sources) > 1 else record.id)
            for credit in dict.fromkeys(record.credits):
                yield f"  {_line(str(credit))}"
    for (name, licence), count in nameless.items():
        yield _line(f"{name}: {_examples(count)}, {licence}; no authors are named")
    if not names:
        yield "None of the licences asks for attribution."
        return
    yield ""
    yield CHANGES
    yield "Licences:"
    for name in sorted(names):
        found = licence_named(name)
        yield f"  {_line(f'{name}: {found.url}' if found else f'{name}: not known here')}"


def _line(text: str) -> str:
    return visible(" ".join(text.split()))
