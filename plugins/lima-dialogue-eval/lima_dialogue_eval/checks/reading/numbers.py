"""Numbers in a text: with separators, in words, as fractions and ordinals, with the unit that stands beside them.

Where a number can be read in two ways ("1.020"), the likelier reading comes first. Number words and units are English. Knows
nothing of times and dates.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import regex

_UNITS: dict[str, str] = {
    "length 1": "m metre metres meter meters",
    "length 1000": "km kilometre kilometres kilometer kilometers",
    "length 0.01": "cm centimetre centimetres centimeter centimeters",
    "length 0.001": "mm millimetre millimetres millimeter millimeters",
    "length 0.3048": "ft foot feet",
    "length 0.0254": "inch inches",
    "length 0.9144": "yard yards",
    "length 1609.344": "mile miles mi",
    "area 1": "m² m2 m^2 m^{2} sqm sq.m sq.m. sq_m sq._m sq_metres sq._metres sq_meters square_metre square_metres square_meter "
    "square_meters square_m metres_squared meters_squared",
    "area 0.0001": "cm² cm2 cm^2 square_centimetres square_centimeters",
    "area 1000000": "km² km2 km^2 square_kilometres square_kilometers",
    "area 0.092903": "ft² ft2 sqft sq_ft square_feet square_foot",
    "area 10000": "ha hectare hectares",
    "volume 1": "l litre litres liter liters ltr ltrs",
    "volume 0.001": "ml millilitre millilitres milliliter milliliters",
    "volume 0.01": "cl centilitre centilitres centiliter centiliters",
    "volume 0.1": "dl decilitre decilitres deciliter deciliters",
    "volume 1000": "m³ m3 m^3 m^{3} cubic_metre cubic_metres cubic_meter cubic_meters",
    "mass 1": "g gram grams gramme grammes",
    "mass 1000": "kg kilo kilos kilogram kilograms",
    "mass 0.001": "mg milligram milligrams",
    "mass 1000000": "tonne tonnes",
    "mass 453.592": "lb lbs pound pounds",
    "mass 28.3495": "oz ounce ounces",
    "duration 1": "sec secs second seconds",
    "duration 60": "m min mins minute minutes",
    "duration 3600": "h hr hrs hour hours",
    "duration 86400": "day days",
    "duration 604800": "week weeks wk wks",
    "months 1": "month months",
    "months 12": "year years yr yrs",
    "temperature 1": "°c degrees_celsius degrees_centigrade celsius",
    "fahrenheit 1": "°f degrees_fahrenheit fahrenheit",
    "share 1": "% percent per_cent pct",
    "£ 1": "£ gbp pound pounds quid sterling",
    "£ 0.01": "p pence penny",
    "$ 1": "$ usd us$ dollar dollars bucks",
    "$ 0.01": "cent cents ¢",
    "€ 1": "€ eur euro euros",
    "¥ 1": "¥ jpy yen",
}
_TO_NINE = "zero one two three four five six seven eight nine"
_UNIT = {word: i for i, word in enumerate(_TO_NINE.split())}
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TEEN = {word: 10 + i for i, word in enumerate(_TEENS.split())}
_FROM_TWENTY = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 20 + 10 * i for i, word in enumerate(_FROM_TWENTY.split())}
_NTHS = "first second third fourth fifth sixth seventh eighth ninth"
_TEENTHS = "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
_NTH = {word: i for i, word in enumerate(_NTHS.split(), 1)}
_TEENTH = {word: i for i, word in enumerate(_TEENTHS.split(), 10)} | {w[:-1] + "ieth": n for w, n in _TENS.items()}
_VALUE = _UNIT | _TEEN | _TENS | _NTH | _TEENTH | {"a": 1, "an": 1, "and": 0}
_SCALES = {"hundred": 100, "dozen": 12, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_PARTS = {"half": 0.5, "halves": 0.5, "quarter": 0.25, "quarters": 0.25}
_PARTS |= {word: 1 / n for word, n in _NTH.items() if n > 2} | {f"{word}s": 1 / n for word, n in _NTH.items() if n > 2}


def _one_of(*words: "Iterable[str]") -> str:
    return f"(?:{'|'.join(sorted((w for group in words for w in group), key=len, reverse=True))})"


_LOW = rf"(?:{_one_of(_TENS)}(?:[ -]?{_one_of(_UNIT, _NTH)})?|{_one_of(_UNIT, _TEEN, _NTH, _TEENTH)})(?!\p{{L}})"
_MIDDLE = rf"(?:(?:{_LOW}|an?)[ -](?:hundred|dozen)(?!\p{{L}})(?:[ -](?:and[ -])?{_LOW})?|{_LOW})"
_WORDS = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}])(?:(?:(?:{_MIDDLE}|an?)[ -](?:thousand|million|billion)(?!\p{{L}}),?(?:[ -](?:and[ -])?)?){{1,3}}"
    rf"(?:{_MIDDLE})?|{_MIDDLE})(?P<point>[ ]point(?:[ ]{_one_of(_UNIT)}(?!\p{{L}})){{1,6}})?",
    regex.IGNORECASE,
)
_OF_A = r"(?:(?:[ ]of)?[ ]an?(?=[ ]))?+"
_AMOUNT = rf"(?:(?P<n>an?|{_one_of(_UNIT)}|\d)[ -])?(?P<part>{_one_of(_PARTS)})(?!\p{{L}}){_OF_A}"
_PART = regex.compile(rf"(?P<and>[ -]and)?[ -]{_AMOUNT}", regex.IGNORECASE)
_LONE_PART = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}]|\d[ ])(?:an?[ ])?(?P<part>half|quarter)(?!\p{{L}}){_OF_A}", regex.IGNORECASE
)
_GLYPH = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_DIGITS = regex.compile(
    rf"""
    (?:(?<=\d[ ]?[xX×*])|(?<![\p{{L}}\d_^]|\d[.,:/]))(?P<sign>[-−](?=[\d.]))?+
    (?:(?P<run>\d{{1,9}}(?P<comma>[.,])\d{{1,9}}(?:(?P=comma)\d{{1,9}})++(?<!\d(?P=comma)\d{{3}}))
      | (?:(?P<body>(?!0)\d{{1,3}}(?P<sep>[,.' ])\d{{3}}(?:(?P=sep)\d{{3}})*+(?![\d]|(?P=sep)\d)(?:[.,]\d{{1,9}}+(?!\d))?+
      | \d{{1,18}}+(?:[.,]\d{{1,9}}+)?+ | \.\d{{1,9}}+)(?P<power>[eE][+-]?\d{{1,2}}(?![\p{{L}}\d]))?+
      (?:[ ]?(?P<glyph>[{_GLYPH}])|[ ](?:and[ ])?(?P<top>\d)/(?P<bottom>\d{{1,2}})(?!\d)|/(?P<under>\d{{1,3}})(?![\d/.-]))?+)
      | (?P<alone>[{_GLYPH}]))
    (?:[ ]?(?P<scale>(?:thousand|million|billion|hundred|mn|bn)(?!\p{{L}})|[kK](?![\p{{L}}\d]))
      |(?P<th>st|nd|rd|th)(?!\p{{L}}))?+
    """,
    regex.VERBOSE,
)
_SCALE_OF = _SCALES | {"mn": 1_000_000, "bn": 1_000_000_000, "k": 1_000}


@dataclass(frozen=True)
class Number:
    """A number in a text"""

    start: int
    end: int
    "Where it stands, its unit included"
    readings: tuple[float, ...]
    "What it may be, the likeliest first"
    units: tuple[tuple[str, float], ...] = ()
    "What its unit may be: dimension, and how many base units one is; none where there is no unit that is known"
    sure: bool = True
    "Whether it is a number and not, such as 'one' or 'second', perhaps something else"
    ordinal: bool = False
    plain_end: int = 0
    "Where it ends without its unit"


@cache
def _units() -> "dict[str, tuple[tuple[str, float], ...]]":
    found: dict[str, tuple[tuple[str, float], ...]] = {}
    for unit, names in _UNITS.items():
        dimension, factor = unit.split()
        for name in names.split():
            found[name] = (*found.get(name, ()), (dimension, float(factor)))
    return found


@cache
def _after() -> "regex.Pattern[str]":
    names = "|".join(regex.escape(n).replace("_", r"[ ]") for n in sorted(_units(), key=len, reverse=True))
    return regex.compile(rf"(?:[ ]?-?|[ ]\()({names})(?![\p{{L}}\d²³^])", regex.IGNORECASE)


_BEFORE = regex.compile(r"(?:(£|\$|€|¥)|(?<!\p{L})(GBP|USD|EUR|JPY|US\$))[ ]?$", regex.IGNORECASE)


def numbers(text: str) -> list[Number]:
    """Every number of a text, in their order; those in digits that may be two numbers are there as both"""
    found = [_with_unit(text, _with_part(text, number)) for number in (*_in_digits(text), *_in_words(text))]
    kept: list[Number] = []
    for number in sorted(found, key=lambda n: (n.start, -n.plain_end)):
        inside = kept and number.plain_end <= kept[-1].plain_end
        if not inside or text[number.start].isdigit():  # not the "third" of "one third"
            kept.append(number)
    return kept


def unit_of(text: str) -> tuple[tuple[str, float], ...]:
    """What a unit's name may mean; nothing for any other word"""
    return _units().get(" ".join(text.lower().split()).replace(" ", "_"), ())


def _with_unit(text: str, number: Number) -> Number:
    start, end = number.start, number.end
    units: tuple[tuple[str, float], ...] = ()
    if before := _BEFORE.search(text, max(0, start - 5), start):
        start, units = before.start(), unit_of(before[1] or before[2])
    elif after := _after().match(text, end):
        end, units = after.end(), unit_of(after[1])
    return replace(number, start=start, end=end, units=units, sure=number.sure or bool(units), plain_end=number.end)


def _in_digits(text: str) -> Iterator[Number]:
    for found in _DIGITS.finditer(text):
        start, end = found.span()
        if found["run"]:  # 1,2,3 are three numbers; 1.2.3 is a version or a date
            parts = regex.finditer(r"\d+", text, pos=start, endpos=found.end("run"))
            yield from (_plain_number(part, found["comma"] == ",") for part in parts)
            continue
        readings, sure = _readings_of(found), not found["under"]
        if found["sep"] == " " or found["under"]:  # may be several numbers side by side
            sure = False
            parts = regex.finditer(
                r"\d+", text, pos=start, endpos=found.end("under") if found["under"] else found.end("body")
            )
            yield from (_plain_number(part, False) for part in parts)
        if found["scale"]:
            readings = tuple(r * _SCALE_OF[found["scale"].lower()] for r in readings)
        if found["sign"]:
            readings = (*(-r for r in readings), *readings)  # a minus, or a dash before the number
        yield Number(start, end, readings, sure=sure, ordinal=bool(found["th"]))


def _plain_number(digits: "regex.Match[str]", sure: bool) -> Number:
    return Number(digits.start(), digits.end(), (float(digits[0]),), sure=sure)


def _readings_of(found: "regex.Match[str]") -> tuple[float, ...]:
    if found["alone"]:
        return (unicodedata.numeric(found["alone"]),)
    readings = _readings(found["body"], found["sep"] or "")
    if found["power"]:
        return (float(f"{readings[0]}{found['power']}"),)
    if found["glyph"]:
        return (readings[0] + unicodedata.numeric(found["glyph"]),)
    if found["top"] and int(found["bottom"]):
        return (readings[0] + int(found["top"]) / int(found["bottom"]),)
    if found["under"] and int(found["under"]):
        return (readings[0] / int(found["under"]),)
    return readings


def _readings(body: str, separator: str) -> tuple[float, ...]:
    """What digits with these separators may mean: 1,020 is 1020 and perhaps 1.02; 1.020 is 1.02 and perhaps 1020"""
    if not separator:
        return (float(body.replace(",", ".")),)
    last = regex.search(r"[.,]\d+$", body)
    if body.count(separator) == 1 and last and last[0][0] == separator and len(body) <= 7:
        joined, decimal = float(body.replace(separator, "")), float(body.replace(separator, "."))
        return (joined, decimal) if separator == "," else (decimal, joined)
    whole, decimals = (body[: last.start()], last[0][1:]) if last and last[0][0] != separator else (body, "0")
    return (float(f"{whole.replace(separator, '')}.{decimals}"),)


def _in_words(text: str) -> Iterator[Number]:
    for found in _WORDS.finditer(text):
        words = regex.findall(r"\p{L}+", found[0].lower().partition(" point ")[0])
        value, last = _value(words), words[-1]
        ordinal = last in _NTH or last in _TEENTH
        if found["point"]:
            value += float("0." + "".join(str(_UNIT[word]) for word in found["point"].lower().split()[1:]))
        yield Number(
            found.start(),
            found.start() + len(found[0].rstrip(" ,-")),
            (value,),
            (),
            value != 1 and not (ordinal and value < 3),
            ordinal,
        )
    for found in _LONE_PART.finditer(text):
        yield Number(found.start(), found.end(), (_PARTS[found["part"].lower()],), sure=False)


def _value(words: list[str]) -> float:
    """What a row of number words is together"""
    total, current = 0, 0
    for word in words:
        if word not in _SCALES:
            current += _VALUE[word]
        elif (scale := _SCALES[word]) < 1_000:
            current = (current or 1) * scale
        else:
            total, current = total + (current or 1) * scale, 0
    return float(total + current)


def _with_part(text: str, number: Number) -> Number:
    """With the fraction in words behind it: 'two and a half', 'three quarters'"""
    part = None if number.ordinal else _PART.match(text, number.end)
    if not part:
        return number
    many = part["n"] or "1"
    fraction = (int(many) if many.isdigit() else _VALUE[many.lower()]) * _PARTS[part["part"].lower()]
    if part["and"]:
        return replace(number, end=part.end(), readings=(number.readings[0] + fraction,), sure=True)
    if part["n"]:  # "two one half": two numbers
        return number
    return replace(number, end=part.end(), readings=(number.readings[0] * fraction,), sure=True)
