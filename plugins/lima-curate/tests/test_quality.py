"""Quality and language on texts that rules of web pages get wrong, and on what they are for."""

import pytest

from lima import Example
from lima_chat import Conversation, Turn
from lima_curate.filters.language import Language
from lima_curate.filters.quality import Quality

BASE = (
    "Coffee tastes bitter when the water is too hot or the grind too fine, so try a coarser grind and cooler water, and "
    "taste again after each change before you touch anything else. Salt softens bitterness a little, and so does milk. Old beans "
    "taste flat. Clean the machine every week, because old oil turns rancid. Grind just before you brew, since ground beans lose "
    "their smell within minutes. Keep them dry, dark and closed; a freezer is fine for months, and a fridge is not. "
)
STAYS = {
    "one word": "Paris.",
    "a list": "\n".join(
        f"- {name} has its own colour" for name in ("Oak", "Ash", "Elm", "Fir", "Yew", "Lime", "Beech")
    ),
    "code": f"{BASE}\n\n```js\n" + "function a() { return {b: {c: 1}} }\n" * 40 + "```\n",
    "code that nothing closes": "Here:\n\n```\n" + "{ }\n" * 100,
    "indented code": "Here:\n\n" + "    if (a) { b(); }\n" * 50,
    "JSON": '{"a": {"b": [1, 2, 3]}, "c": {"d": {}}, "e": [{"f": {}}, {"g": {}}]}',
    "formulas": r"So \(\frac{a_{1}}{b_{2}}\), $\sqrt{x}$ and $$\sum_{i=1}^{n} \frac{x_{i}}{n_{i}}$$ " + BASE,
    "a table of numbers": "| n | n² |\n|---|---|\n" + "\n".join(f"| {n} | {n * n} |" for n in range(60)),
    "a table in a text": BASE + "\n\n" + "| a | b |\n" * 30,
    "headings": "\n".join(f"### {n}. Step\n\nDo it, and then go on to what follows it." for n in range(4)),
    "Chinese": "咖啡太苦了，可能是水太热，或者磨得太细。" * 2,
    "about JavaScript and cookies": BASE + "JavaScript is a language. Websites use cookies to know who you are.",
    "about lorem ipsum": BASE + "The words lorem ipsum stand for a text that is still missing.",
    "a refrain": "Row, row, row your boat,\nGently down the stream,\nMerrily, merrily, merrily, merrily,\nLife is but a dream.\n"
    * 2,
    "an exercise plan": "\n".join(
        f"Week {n}: run for {n} minutes, walk for 2 minutes. Repeat {9 - n} times." for n in range(1, 9)
    ),
}
GOES = {
    "nothing": ("", "words in its answers is 0, fewer than 1"),
    "a loop": ("I like cats. " * 60, "60 times"),
    "a loop of lines": (BASE + "\nI am a language model." * 40, "lines are repeated"),
    "the text again": (BASE * 2, "repeat runs"),
    "code as text": ("function a() { return {b: {c: 1}} }\n" * 40, "curly braces"),
    "numbers": ("1 2 3 4 5 " * 30, "have a letter"),
    "tags": ("#coffee " * 40, "# a word"),
    "one long word each": (" ".join(f"x{n}{'y' * 30}" for n in range(40)), "characters on average"),
    "letters": (" ".join("abcdefghij" * 4), "characters on average"),
    "lines that trail off": ("\n".join(f"And then {n} …" for n in range(20)), "ellips"),
    "a page": (BASE + "Please enable JavaScript to view this page.", "what a page says"),
    "a footer": (BASE + "\n© 2024 Beans Ltd. All rights reserved.", "what a page says"),
}


def reason(one, *answers):
    turns = [turn for answer in answers for turn in (Turn("user", "And?"), Turn("assistant", answer))]
    record = Conversation(id="1", turns=turns) if answers[1:] else Example(id="1", prompt="p", response=answers[0])
    found = [*one.excludes([record])]
    return found[0].reason if found else ""


def test_answers_that_are_not_pages_stay():
    assert {what: said for what, text in STAYS.items() if (said := reason(Quality(), text))} == {}


@pytest.mark.parametrize("what", GOES)
def test_what_is_not_text_goes_with_the_figure(what):
    text, why = GOES[what]
    assert why in reason(Quality(), text)


def test_what_later_answers_take_up_is_no_repetition_but_the_words_of_all_count():
    assert reason(Quality(), BASE, BASE) == ""
    assert reason(Quality(fewest_words=150), BASE, BASE) == ""
    assert "is 87, fewer than 150" in reason(Quality(fewest_words=150), BASE, "Yes.")


def test_one_word_over_and_over_is_all_of_the_characters():
    assert Quality().reason(["word " * 400]) == '100 % of its characters, more than 60 %, are 399 times "word word"'


def test_the_figures_of_the_papers_can_be_had():
    plan = STAYS["an exercise plan"]
    assert "more than" in reason(Quality(repetition=1.0, fewest_words=50), plan + " " + plan)
    assert "fewer than 50" in reason(Quality(fewest_words=50), "Paris.")
    assert "begin with a bullet" in reason(
        Quality(most_bullets=0.9), "\n".join(f"- Number {n} is here" for n in range(12))
    )


LANGUAGES = {
    "Der Kaffee wird bitter, wenn das Wasser zu heiß ist oder die Bohnen zu fein gemahlen sind.": "de",
    "La casa es muy bonita y tiene un jardín grande con árboles.": "es",
    "咖啡太苦了，可能是水太热，或者磨得太细，试试看别的。": "zh",
    "コーヒーが苦すぎるなら、お湯が熱すぎるか、粉が細かすぎるかもしれません。": "ja",
    "Ja.": "",
    "```python\nfor zahl in range(10):\n    print('Das ist eine lange Zeile auf Deutsch', zahl)\n```": "",
    "https://example.org/dies/ist/keine/sprache/sondern/eine/adresse": "",
    "> Der Kaffee wird bitter, wenn das Wasser zu heiß ist.\n\nThat is what they said, and it is right.": "",
    "Boil the pasta for eight minutes; drain, then toss with oil.": "",
}


def test_the_language_is_that_of_the_sentences():
    found = {text: reason(Language(), text) for text in LANGUAGES}
    assert found == {text: f"Its language is {code}, and not en." * bool(code) for text, code in LANGUAGES.items()}


def test_what_is_undecided_is_counted_and_goes_by_option(caplog):
    given = [Example(id=str(n), prompt="p", response=text) for n, text in enumerate(LANGUAGES)]
    with caplog.at_level("INFO", "lima"):
        assert [one.place for one in Language(("en",)).excludes(given)] == [0, 1, 2, 3]
    assert caplog.messages == ["language: of 4 of 9 examples it cannot tell the language; they stay."]
    assert [one.place for one in Language(("de", "es"), undecided="leave out").excludes(given)] == [2, 3, 4, 5, 6, 7, 8]
