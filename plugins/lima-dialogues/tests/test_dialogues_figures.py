"""What the linter counts in a set: every figure on small dialogues whose figures are plain to see."""

import pytest

from lima_dialogues.files import TRAIN
from lima_dialogues.measures.figures import LABELS, Figures, as_rows, measure_figures
from lima_dialogues.measures.talks import Talk
from lima_dialogues.measures.vocabulary import countries, language, spelling


def talk(*texts, name="a", tags=()):
    turns = tuple((n, ("user", "assistant")[(n - 1) % 2], text) for n, text in enumerate(texts, 1))
    return Talk(f"train/{name}.json", frozenset(tags), TRAIN, turns)


def figures(*talks):
    return measure_figures(talks)


def test_lengths_of_answers_first_and_later():
    found = figures(talk("a b", "one", "c", "w " * 299 + "w", "d", "w " * 600), talk("e", "x y z"))
    assert (found.dialogues, found.answers, found.exchanges_mean) == (2, 4, 2.0)
    assert (found.answer_words_mean, found.answer_words_median) == (226.0, 151.5)
    assert (found.first_answer_words_mean, found.later_answer_words_mean) == (2.0, 450.0)
    assert (found.answers_long, found.answers_very_long) == (0.5, 0.25)
    assert (found.dialogue_words_mean, found.dialogue_words_most) == (454.5, 905)


def test_forms_and_questions():
    answers = (
        "## Title\n\nText; with a semicolon",
        "- a\n- b\n\nWhich of them?",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "```sql\n# no heading;\n- no\n- list\n```",
        "How many?\n\nTell me.",
        "Just `a; b` this",
        "- a single item",
        "Last one",
    )
    found = figures(talk(*(part for answer in answers for part in ("u", answer)), tags=["asked-back"]))
    shares = (found.headings, found.lists, found.tables, found.code, found.semicolons, found.answers_asking)
    assert shares == (0.125,) * 6
    assert found.asked_back == 1


def test_names_that_come_from_nowhere():
    said = talk(
        "My neighbour Ada bakes in france.",
        "Ask Ada, or write to Karl Weber on Monday.\n\n- Berlin begins the item, and so it is not seen.",
        "And who is Karl Weber?",
        "A baker from Lyon, in France. Karl Weber knows Ada.",
    )
    assert figures(said).names == (("train/a.json", 2, ("Karl Weber",)), ("train/a.json", 4, ("Lyon",)))
    assert figures(said).as_dict()["names"][1] == {"file": "train/a.json", "turn": 4, "names": ["Lyon"]}


def test_names_are_not_looked_for_in_german_where_every_noun_has_a_capital():
    german = "Bitte schneiden Sie den Apfel mit dem Messer auf dem Brett in der Küche."
    assert figures(talk("Auf Deutsch bitte, und die Antwort ist für mich", german)).names == ()


def test_countries_languages_and_spelling_are_counted_by_dialogue():
    first = talk("I live in the UK", "The colour of the sea is grey, and that is what you will see there.", name="a")
    second = talk("From Peru to Chile and Peru", "The color and the colour of it", name="b")
    third = talk("Hola", "Las palabras de la lista no son para los niños, pero están en el libro.", name="c")
    found = figures(first, second, third)
    assert found.countries == {"Chile": 1, "Peru": 1, "United Kingdom": 1}
    assert found.no_country == 1
    assert found.languages == {"English": 1, "Spanish": 1}
    assert found.spelling == {"British": 1, "both": 1, "neither": 1}


def test_openings_that_are_repeated():
    found = figures(*(talk("u", f"Thank you, {n}.", name=str(n)) for n in range(3)), talk("u", "Well then"))
    assert (found.repeated_openings, found.openings) == (0.75, {"Thank you": 3})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She has travelled to the centre of Northern Ireland", ({"Northern Ireland"}, {"British"})),
        ("He canceled a program in the United States", ({"United States"}, {"American"})),
        ("A guinea pig in a hat, some china and a turkey", (set(), set())),
        ("The USA and Niger, not nigeria", ({"United States", "Niger"}, set())),
    ],
)
def test_words_that_tell(text, expected):
    assert (countries(text), spelling(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Was ist das für ein Brief, und was wollen sie von mir?", "German"),
        ("La chaîne saute quand je pédale dans la côte et je ne sais pas.", "French"),
        ("Too short", ""),
        ("Xylo brmf kwat zzyl morp dwix flan gurk", ""),
    ],
)
def test_the_language_of_a_paragraph(text, expected):
    assert language(text) == expected


def test_an_empty_set_and_the_rows_of_a_table():
    found = figures(talk("nobody answers"))
    assert (found.dialogues, found.answer_words_mean, found.lists, found.names) == (0, None, None, ())
    assert dict(as_rows(found.as_dict()))["words an answer, mean"] == "none"
    assert set(LABELS) == set(Figures.__dataclass_fields__) - {"answers"}
    assert dict(as_rows(figures(talk("u", "- a\n- b")).as_dict()))["answers with a list"] == "100%"
