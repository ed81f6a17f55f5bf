"""What a function that a template calls would write at most, in characters, told before it writes anything.

One function a name, with the arguments of the filter or of the text's method that it is about. Knows nothing of budgets.
"""

import re
from collections.abc import Callable
from typing import Any

SPEC = re.compile(r"[#0\- +]*(\*|\d*)(?:\.(\*|\d*))?[hlL]?.?", re.DOTALL)
"What follows the `%` and the key of a field: flags, width, precision, kind"


def fields(text: str) -> list[tuple[str, str]]:
    """Width and precision of each field of a text for `%`, as they are written: digits, `*` or nothing"""
    found, at = [], text.find("%") + 1
    while at:
        spec = SPEC.match(text, _after_key(text, at))
        assert spec  # it matches the empty text, too
        found.append((spec[1], spec[2] or ""))
        at = text.find("%", spec.end()) + 1
    return found


def _after_key(text: str, at: int) -> int:
    """Where the key that starts there ends; there itself without one. A key may hold parentheses"""
    depth = 0
    while at < len(text) and (depth or text[at] == "("):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
        if not depth:
            break
    return at


def _width(text: Any, width: int = 80, fill: Any = None) -> int:
    return width


def _batch(value: Any, linecount: int, fill_with: Any = None) -> int:
    return linecount


def _slice(value: Any, slices: int, fill_with: Any = None) -> int:
    return 10 * slices  # lists, which may be empty


def _replace(text: Any, old: Any, new: Any, count: int | None = -1) -> int:
    return str(text).count(str(old)) * len(str(new))


def _expandtabs(text: str, tabsize: int = 8) -> int:
    return text.count("\t") * tabsize


def _translate(text: str, table: Any) -> int:
    entries = table.values() if isinstance(table, dict) else table
    return len(text) * max((len(entry) for entry in entries if isinstance(entry, str)), default=1) + len(entries)


def _indent(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> int:
    return len(f"{s}\n".splitlines()) * (len(width) if isinstance(width, str) else width)


def _wordwrap(
    s: str,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str | None = None,
    break_on_hyphens: bool = True,
) -> int:
    # Every line that is cut off a long word leaves a copy of the rest, a thousand times as fast as anything else here.
    copies = len(s) // max(1, width) // 1000
    return len(s) * (copies + len("\n" if wrapstring is None else wrapstring))


def _urlize(
    value: Any,
    trim_url_limit: int | None = None,
    nofollow: bool = False,
    target: str | None = None,
    rel: str | None = None,
    extra_schemes: Any = None,
) -> int:
    return len(str(value).split()) * (len(target or "") + len(rel or ""))


PRICES: dict[str, Callable[..., int]] = {
    **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _width),
    "batch": _batch,
    "slice": _slice,
    "replace": _replace,
    "expandtabs": _expandtabs,
    "translate": _translate,
    "indent": _indent,
    "wordwrap": _wordwrap,
    "urlize": _urlize,
}
"By the name of a filter or of a text's method; where both have the name, both have the arguments"
