"""Times of day and dates in a text: 15:00, 3 pm, 1500 h, noon, half past three; 7 June, June 7th, 7/6, 2025-06-07.

Where one can be read in two ways ("7/6", "three o'clock"), both are among its readings and the likelier one comes first. Words
are English. Knows nothing of time zones and calendars.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import regex

_HOURS = "one two three four five six seven eight nine ten eleven twelve"
_HOUR = {word: i for i, word in enumerate(_HOURS.split(), 1)}
_MINUTES = {
    "five": 5,
    "ten": 10,
    "quarter": 15,
    "twenty": 20,
    "twenty-five": 25,
    "half": 30,
    "5": 5,
    "10": 10,
    "20": 20,
    "25": 25,
}
_WORD = "|".join(sorted(_HOUR, key=len, reverse=True))
_HALF = r"(?P<half>a\.?m\b\.?|p\.?m\b\.?|at[ ]night|(?:in[ ]the|this|that|tomorrow)[ ](?:morning|afternoon|evening))"
_TIME = regex.compile(
    rf"""
    (?:(?<![\p{{L}}\d.,:/£$€]|\d[ ]?[xX×])|(?<=:[0-5]\d/))(?:
      (?P<h>[01]?\d|2[0-4])(?P<sep>[:.h])(?P<m>[0-5]\d)(?::[0-5]\d)?(?!\d|/(?!\d?\d:[0-5]\d)|[.,:]\d)
        (?:[ ]?(?P<hrs>h|hrs|hours|uhr)\b|[ ]?o'clock\b)?
    | (?P<four>(?:[01]\d|2[0-4])[0-5]\d)(?![\d:/]|[.,]\d)[ ]?(?P<marked>h|hrs?|hours|uhr)?(?![\p{{L}}])
    | (?P<hour>1?\d|2[0-4]|{_WORD})(?:[ ]?(?P<clock>o'clock|uhr|h)\b|(?=[ ]?{_HALF.replace("?P<half>", "?:")}))
    | (?:(?P<past>five|ten|twenty|twenty-five|half|(?:a[ ])?quarter|5|10|20|25)(?:[ ]minutes)?[ ]
        (?P<way>past|after|to|before|of)[ ])
      (?P<at>1?\d|{_WORD})(?![\p{{L}}\d:])
    | (?P<name>noon|midday|midnight)(?!\p{{L}})
    )(?:[ ]?{_HALF})?
    """,
    regex.VERBOSE | regex.IGNORECASE,
)
_SHARED = regex.compile(
    r"(?<![\d:.,])(?P<h>1?\d)(?::(?P<m>[0-5]\d))?"
    r"(?=[ ]?(?:-|–|—|to|until|till|and|or)[ ]?1?\d(?::[0-5]\d)?[ ]?(?P<half>a|p)\.?m\b)",
    regex.IGNORECASE,
)
TWELVE = regex.compile(
    r"(?:\d|noon|midnight|o'clock)\s?[ap]\.?m\b|(?:o'clock|(?:^|\b(?:at|from|by|to|until|till|around|is)[ ])"
    rf"(?:1?\d(?::\d\d)?|{_WORD}))[ ](?:in[ ]the[ ](?:morning|afternoon|evening)|at[ ]night)",
    regex.IGNORECASE | regex.MULTILINE,
)
"A time on the 12-hour clock, for certain"

_NAMES = "january february march april may june july august september october november december"
_MONTHS = {name: i for i, name in enumerate(_NAMES.split(), 1)}
_MONTH = _MONTHS | {name[:3]: i for name, i in _MONTHS.items()} | {"sept": 9}
_MONTH_NAME = "|".join(sorted(_MONTH, key=len, reverse=True))
_TEENS = "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
_NTHS = "first second third fourth fifth sixth seventh eighth ninth"
_DAY = {word: i for i, word in enumerate((*_NTHS.split(), *_TEENS.split()), 1)} | {"thirtieth": 30, "thirty-first": 31}
_DAY |= {f"twenty-{word}": 20 + i for i, word in enumerate(_NTHS.split(), 1)}
_NTH = "|".join(sorted((w.replace("-", "[ -]") for w in _DAY), key=len, reverse=True))
_DATE = regex.compile(
    rf"""
    (?<![\p{{L}}\d.,:/£$€]|\d[ ]?[xX×]|\d{{4}}-|\d{{4}}-\d\d-)(?:
      (?P<d1>[0-3]?\d|{_NTH})(?:st|nd|rd|th)?\.?(?:[ ]of)?[ -](?P<m1>{_MONTH_NAME})(?!\p{{L}})\.?(?:,?[ -](?P<y1>\d{{4}})(?!\d))?
    | (?P<m2>{_MONTH_NAME})(?!\p{{L}})\.?[ -](?:the[ ])?(?P<d2>[0-3]?\d|{_NTH})(?:st|nd|rd|th)?(?![\d\p{{L}}]|[.,:]\d)
        (?:,?[ ](?P<y2>\d{{4}})(?!\d))?
    | (?P<y3>\d{{4}})[-/.](?P<m3>[01]?\d)[-/.](?P<d3>[0-3]?\d)(?!\d)
    | (?P<one>[0-3]?\d)(?P<sep>[/.-])(?P<two>[0-3]?\d)(?:(?P=sep)(?P<y4>\d{{4}}|\d\d))?
        (?![\d/]|[.,]\d|[ ](?:of[ ])?(?:{_MONTH_NAME}))
    | (?P<nth>[0-3]?\d)(?:st|nd|rd|th)(?!\p{{L}}) | (?:the[ ])(?P<word>{_NTH})(?!\p{{L}})
    )
    """,
    regex.VERBOSE | regex.IGNORECASE,
)
_SPAN = r"[ ]?(?:-|–|—|to|until|till|and|or|through)[ ]?(?:the[ ])?"
_SHARED_MONTH = regex.compile(
    rf"(?<![\d:.,/])(?P<d1>[0-3]?\d)(?:st|nd|rd|th)?"
    rf"(?={_SPAN}[0-3]?\d(?:st|nd|rd|th)?(?:[ ]of)?[ ](?P<m1>{_MONTH_NAME})(?!\p{{L}}))"
    rf"|(?<=(?P<m2>{_MONTH_NAME})[ ][0-3]?\d(?:st|nd|rd|th)?{_SPAN})(?P<d2>[0-3]?\d)(?![\d:])",
    regex.IGNORECASE,
)
"The day of a range whose month stands at its other end"

Date = tuple[int | None, int | None, int]
"Year, month and day; None where it is not said"


@dataclass(frozen=True)
class Moment:
    """A time of day or a date in a text"""

    start: int
    end: int
    times: tuple[int, ...] = ()
    "Minutes after midnight that it may be, the likeliest first"
    dates: tuple[Date, ...] = ()
    "Dates that it may be, the likeliest first"
    sure: bool = True
    "Whether it is a time or a date and not, such as 15.00, perhaps a number"


def _moment(
    found: "regex.Match[str]", times: tuple[int, ...] = (), dates: tuple[Date, ...] = (), sure: bool = True
) -> Moment:
    return Moment(found.start(), found.end(), times, dates, sure)


def times(text: str) -> list[Moment]:
    """Every time of day; one such as 3:00 may be in the afternoon, unless a time of the text shows the 24-hour clock"""
    found = list(_TIME.finditer(text))
    shows_24 = any(time["h"] and (int(time["h"]) > 12 or time["h"][0] == "0") for time in found)
    moments = [moment for time in found if (moment := _time(time, shows_24))]
    for time in _SHARED.finditer(text):
        minutes = _of_day(int(time["h"]), int(time["m"] or 0), f"{time['half']}m")
        moments.append(Moment(time.start(), time.end(), (minutes,), sure=False))
    return sorted(moments, key=lambda m: m.start)


def dates(text: str) -> list[Moment]:
    """Every date; 'the 7th' may be of any month, and 7/6 in June or July"""
    found = [moment for one in _DATE.finditer(text) if (moment := _date(one))]
    for day in _SHARED_MONTH.finditer(text):
        month = _MONTH[(day["m1"] or day["m2"]).lower()]
        found.append(_moment(day, dates=((None, month, int(day["d1"] or day["d2"])),), sure=False))
    return sorted(found, key=lambda moment: moment.start)


def _of_day(hour: int, minute: int, half: str) -> int:
    """Minutes after midnight, with am or pm in any of its forms"""
    after = half[:1].lower() == "p" or "afternoon" in half or "evening" in half
    if "night" in half:
        after = 6 <= hour < 12
    before = half[:1].lower() == "a" and not after or "morning" in half
    if hour == 12 and (before or "night" in half):
        hour = 0
    return (hour % 12 + 12 if after and hour <= 12 else hour) % 24 * 60 + minute


def _time(found: "regex.Match[str]", shows_24: bool) -> Moment | None:
    half, sure = (found["half"] or "").lower(), True
    if found["name"]:
        return _moment(found, ((0,) if found["name"].lower() == "midnight" else (720,)))
    if found["four"]:
        hour, minute, sure = int(found["four"][:2]), int(found["four"][2:]), bool(found["marked"])
    elif found["past"]:
        minute = _MINUTES[found["past"].lower().removeprefix("a ")]
        hour = _number(found["at"])
        hour, minute = (hour, minute) if found["way"].lower() in ("past", "after") else (hour - 1 or 12, 60 - minute)
        sure = False
    elif found["hour"]:
        hour, minute = _number(found["hour"]), 0
        sure = bool(half) or (found["clock"] or "").lower() not in ("h", "")
    else:
        hour, minute, sure = int(found["h"]), int(found["m"]), found["sep"] == ":" or bool(half or found["hrs"])
    if hour > 24 or (half and hour > 12):
        half = ""
    first = _of_day(hour, minute, half)
    padded = (found["h"] or found["four"] or " ").startswith("0")
    other = not half and 1 <= hour <= 12 and not shows_24 and not padded
    return _moment(found, (first, (first + 720) % 1440) if other else (first,), sure=sure)


def _number(word: str) -> int:
    return _HOUR[word.lower()] if word.lower() in _HOUR else int(word)


def _date(found: "regex.Match[str]") -> Moment | None:
    if found["one"]:
        one, two = int(found["one"]), int(found["two"])
        year = _year(found["y4"])
        ways = [(year, month, day) for day, month in ((one, two), (two, one)) if 1 <= month <= 12 and 1 <= day <= 31]
        sure = len(set(ways)) == 1 and bool(year)
        return _moment(found, dates=tuple(ways), sure=sure) if ways else None
    if word := found["nth"] or found["word"]:
        day = _day(word)
        return _moment(found, dates=((None, None, day),), sure=False) if 1 <= day <= 31 else None
    n = next(n for n in "123" if found[f"d{n}"])
    day, year = _day(found[f"d{n}"]), _year(found[f"y{n}"])
    month = int(found["m3"]) if n == "3" else _MONTH[found[f"m{n}"].lower()]
    sure = (found[f"m{n}"] or "") not in ("may", "march", "mar")  # "it may 5 times out of 10"
    return _moment(found, dates=((year, month, day),), sure=sure) if 1 <= day <= 31 and 1 <= month <= 12 else None


def _day(word: str) -> int:
    return int(word) if word.isdigit() else _DAY["-".join(word.lower().split())]


def _year(digits: str | None) -> int | None:
    return None if not digits else int(digits) + 2000 * (len(digits) == 2)


def same_date(wanted: Date, given: Date) -> bool:
    """Whether two dates agree in all that both say"""
    return all(w == g for w, g in zip(wanted, given, strict=True) if w is not None and g is not None)


def moments(text: str) -> Iterator[Moment]:
    """Times and dates together"""
    yield from times(text)
    yield from dates(text)
