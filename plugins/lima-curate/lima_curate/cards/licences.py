"""What well-known licences ask for, by their SPDX names, and what several of them together allow.

A table of a few facts of each, and no legal advice: whether training, a data set or a model is an adaptation is not decided here.
Knows nothing of examples.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """What a licence asks for"""

    name: str
    commercial: bool = True
    derivatives: bool = True
    attribution: bool = True
    family: str = ""
    "Of a licence that adaptations must keep: the licences of which they may have any; empty where they may have another"
    url: str = ""


_CC = re.compile(r"cc-by(-nc)?(-sa|-nd)?-(1\.0|2\.0|2\.1|2\.5|3\.0|4\.0)(-[a-z]{2,3})?")
_CC_URL = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/(\d\.\d)(?:/([a-z]{2,3}))?(?:/.*)?"
)
"The address of a licence, which data sets give in place of its name"
_FREE = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "PDDL-1.0": "",
    "Unlicense": "",
    "0BSD": "",
    "MIT-0": "",
}
_NOTICE = (
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "ODC-By-1.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
)
_SHARED = {
    "ODbL-1.0": "ODbL", "CDLA-Sharing-1.0": "CDLA-Sharing", "GFDL-1.3-only": "GFDL-1.3", "GFDL-1.3-or-later": "GFDL-1.3",
    "GPL-2.0-only": "GPL-2.0-only", "GPL-2.0-or-later": "GPL", "GPL-3.0-only": "GPL", "GPL-3.0-or-later": "GPL",
    "LGPL-3.0-only": "GPL", "LGPL-3.0-or-later": "GPL", "AGPL-3.0-only": "GPL", "AGPL-3.0-or-later": "GPL",
}  # fmt: skip
"Which family of licences adaptations must have"
_KNOWN = {
    **{name: Licence(name, attribution=False, url=url) for name, url in _FREE.items()},
    **{name: Licence(name) for name in _NOTICE},
    **{name: Licence(name, family=family) for name, family in _SHARED.items()},
}
_BY_FOLDED = {name.casefold(): one for name, one in _KNOWN.items()}
_SPLIT = re.compile(r"\s+and\s+|\s*,\s*|[()]", re.IGNORECASE)
_OR = re.compile(r"\s+or\s+", re.IGNORECASE)


def licence_named(text: str) -> Licence | None:
    """The licence of an SPDX name, in any case and with spaces for hyphens, or of Creative Commons' address

    None for one that this table does not have."""
    folded = re.sub(r"[\s_]+", "-", text.strip().casefold())
    if address := _CC_URL.fullmatch(folded):
        kind, version, port = address.groups()
        folded = "-".join(filter(None, ("cc0" if kind == "zero" else f"cc-{kind}", version, port)))
    if known := _BY_FOLDED.get(folded):
        return known if known.url else Licence(**{**vars(known), "url": f"https://spdx.org/licenses/{known.name}.html"})
    if not (found := _CC.fullmatch(folded)):
        return None
    nc, kind, version, port = (part or "" for part in found.groups())
    path = f"by{nc}{kind}/{version}{port.replace('-', '/')}"
    family = f"CC-BY{nc}{kind}".upper() if kind == "-sa" else ""
    if version == "1.0" and family:  # of which adaptations cannot have a later version
        family = f"{family}-1.0"
    url = f"https://creativecommons.org/licenses/{path}/"
    return Licence(folded.upper(), not nc, kind != "-nd", True, family, url)


def parts_of(expression: str) -> tuple[str, ...]:
    """The names in an expression, all of which hold: of alternatives (OR) the one that asks for least, if one is known"""
    found = list[str]()
    named = False
    for part in filter(str.strip, _SPLIT.split(expression)):
        known = [one for name in _OR.split(part) if (one := licence_named(name))]
        least = min(known, key=_asked, default=None)
        named = named or least is not None
        found.append(least.name if least else part.strip())
    if not named:  # a sentence
        return (expression.strip(),) if expression.strip() else ()
    return tuple(dict.fromkeys(found))


def _asked(one: Licence) -> tuple[bool, ...]:
    return not one.commercial, not one.derivatives, bool(one.family), one.attribution


@dataclass(frozen=True)
class Together:
    """What may be done with works under several licences"""

    known: tuple[Licence, ...]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Together":
        """Of the names of licences"""
        names = sorted(set(names))
        found = {name: licence_named(name) for name in names}
        known = {one.name: one for one in found.values() if one}
        return cls(tuple(known.values()), tuple(name for name in names if not found[name]))

    @property
    def against_commerce(self) -> list[str]:
        return [one.name for one in self.known if not one.commercial]

    @property
    def against_derivatives(self) -> list[str]:
        return [one.name for one in self.known if not one.derivatives]

    @property
    def share_alike(self) -> list[str]:
        return [one.name for one in self.known if one.family]

    @property
    def attribution(self) -> list[str]:
        return [one.name for one in self.known if one.attribution]

    def conflicts(self) -> list[str]:
        """Sentences on licences that one adaptation of their works cannot keep at once"""
        return [
            f"{one.name} with {other.name}: {why}."
            for at, first in enumerate(self.known)
            for second in self.known[at + 1 :]
            for one, other in [(first, second) if first.family else (second, first)]
            if (why := _conflict(one, other))
        ]


def _conflict(one: Licence, other: Licence) -> str:
    """Why one work cannot be made of works under two licences, of which the first is share-alike if any is; '' where it can"""
    if not one.family:
        return ""
    if not other.derivatives:
        return "the one asks that adaptations be shared, the other allows no adaptation to be shared"
    # An adaptation of works under CC-BY-SA-4.0 may be under GPL-3.0.
    to_gpl = {"CC-BY-SA-4.0", "GPL"} in ({one.name, other.family}, {other.name, one.family})
    if other.family and one.family != other.family and not to_gpl:
        return "each asks that an adaptation be under it alone, or under a later version of it"
    if one.commercial != other.commercial and one.commercial:
        return "the one asks that adaptations may be used commercially, the other forbids that"
    return ""
