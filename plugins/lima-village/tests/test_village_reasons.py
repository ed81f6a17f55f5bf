"""The grader's reasons, word by word: which fact is missing, broken forms, denials, other words, and an added attribute."""

import json
import subprocess
import sys

import pytest

from lima_village.grader import judge
from lima_village.world import village

WORLD = village()


def facts(*required, forms=("sentence",)):
    pairs = [[name, attribute, value(name, attribute)] for name, attribute in required]
    return {"required": pairs, "forms": list(forms)}


def value(name, attribute):
    return WORLD[name].facts[attribute]


STREET, JOB = value("Ada", "street"), value("Ada", "job")
RIGHT = ("excellent", "The facts are right, in the form asked for, with nothing beside them.")


def passed(*faults):
    return "pass", " ".join(("The facts are right.", *faults))


def not_stated(name, attribute):
    return "fail", f"Not stated: the {attribute} of {name}, {value(name, attribute)}."


def test_the_reason_names_the_fact_that_is_missing():
    shops = facts(("Falcon", "goods"), ("Nutshell", "goods"))
    assert value("Falcon", "goods") == value("Nutshell", "goods") == "kites"
    assert judge(shops, "The Nutshell sells kites.", "eot") == not_stated("Falcon", "goods")
    assert judge(shops, "The Falcon sells kites.", "eot") == not_stated("Nutshell", "goods")
    third = "The Falcon sells kites. The Kettle sells kites."
    assert judge(shops, third, "eot") == ("fail", "Wrong subject: speaks of Kettle, not of Nutshell.")
    dishes = facts(("Jolka", "method"), ("Tamber", "method"), forms=("list",))
    jolka, tamber = (f"- {name}: {value(name, 'method')}" for name in ("Jolka", "Tamber"))
    assert judge(dishes, f"{jolka}\n{tamber}", "eot") == RIGHT
    assert judge(dishes, f"{jolka}\n- Tamber:", "eot") == not_stated("Tamber", "method")
    assert judge(dishes, f"- Jolka: not {value('Jolka', 'method')}\n{tamber}", "eot") == not_stated("Jolka", "method")


def test_a_pronoun_means_nobody_where_two_of_its_kind_were_asked_about():
    shops = facts(("Falcon", "goods"), ("Nutshell", "goods"))
    assert judge(shops, "It sells kites. The Nutshell sells kites.", "eot") == not_stated("Falcon", "goods")
    assert judge(shops, "The Nutshell sells kites. The Falcon sells kites.", "eot") == RIGHT
    both = facts(("Ada", "street"), ("Rupert", "street"))
    assert judge(both, f"She lives in {STREET}. He lives in {value('Rupert', 'street')}.", "eot") == RIGHT
    same = facts(("Ada", "street"), ("Ada", "job"))
    assert judge(same, f"She lives in {STREET}. She works as a {JOB}.", "eot") == RIGHT


@pytest.mark.parametrize(
    ("name", "attribute", "form", "good", "broken"),
    [
        ("Ada", "street", "bare", ("In {v}.", "{v}"), ("A {v}.", "From {v}.", "On {v}.")),
        (
            "Ada",
            "street",
            "sentence",
            ("She lives in {v}.", "Her home is in {v}."),
            ("Her lives in {v}.", "She home is in {v}."),
        ),
        ("Ada", "street", "card", ("Name: Ada\nStreet: in {v}",), ("Name: Ada\nStreet: from {v}",)),
        (
            "Ada",
            "reason",
            "sentence",
            ("It was a {v} that made her leave home.",),
            ("It was a {v} that made she leave home.",),
        ),
        ("Ada", "reason", "bare", ("Because of a {v}.", "A {v}."), ("From {v}.", "In {v}.")),
        ("Martin", "hobby", "bare", ("{v}.",), ("A {v}.", "On {v}.")),
        ("Martin", "hobby", "list", ("- Martin: {v}",), ("- Martin: a {v}",)),
        ("Falcon", "day", "bare", ("On {v}.", "{v}."), ("A {v}.", "In {v}.")),
        ("Falcon", "owner", "bare", ("{v}.",), ("A {v}.", "From {v}.")),
        ("Zelda", "town", "bare", ("From {v}.", "In {v}."), ("A {v}.", "On {v}.")),
    ],
)
def test_a_broken_form_is_a_pass(name, attribute, form, good, broken):
    asked = facts((name, attribute), forms=(form,))
    for reply in (text.format(v=value(name, attribute)) for text in good):
        assert judge(asked, reply, "eot") == RIGHT, reply
    for reply in (text.format(v=value(name, attribute)) for text in broken):
        assert judge(asked, reply, "eot") == passed(f"Not well formed: {reply.splitlines()[-1]}"), reply


def test_an_article_that_a_name_does_not_have_is_a_pass():
    for reply, left in ((f"The Ada lives in {STREET}.",) * 2, (f"Ada lives in the {STREET}.",) * 2):
        assert judge(facts(("Ada", "street")), reply, "eot") == passed(f"Not understood: {left}")
    card = facts(("Ada", "street"), forms=("card",))
    assert judge(card, f"Name: the Ada\nStreet: {STREET}", "eot") == passed("Not understood: Name: the Ada")
    shop = facts(("Falcon", "goods"), forms=("card",))
    assert (
        judge(shop, "Name: the Falcon\nGoods: kites", "eot")
        == judge(shop, "Name: Falcon\nGoods: kites", "eot")
        == RIGHT
    )


@pytest.mark.parametrize("form", ["card", "list"])
def test_a_denial_on_either_side_of_the_value_fails_in_cards_and_lists(form):
    before = {"card": "Name: Nils\nPet: ", "list": "- Nils: "}[form]
    asked, pet = facts(("Nils", "pet"), forms=(form,)), value("Nils", "pet")
    denials = (
        "{v} (not)",
        "{v} is wrong",
        "a {v} no more",
        "{v}, never",
        "{v}?",
        "not a {v}",
        "no {v}",
        "{v}. That is false.",
    )
    others = ("wants a {v}", "{v}'s friend", "anything but a {v}", "{v}, not {v}")
    for text in (*denials, *others):
        reply = before + text.format(v=pet)
        assert judge(asked, reply, "eot") == not_stated("Nils", "pet"), reply
    for text in ("{v}, not dog", "{v} (not dog)", "a lovely {v}", "{v}, of course", "{v} not open?"):
        reply = before + text.format(v=pet)
        assert judge(asked, reply, "eot") == passed(f"Not understood: {reply.splitlines()[-1]}"), reply


def test_a_short_answer_in_other_words():
    asked = facts(("Nils", "pet"), forms=("bare",))
    for reply in ("“A pony.”", '"A pony."', "'Pony.'"):
        assert judge(asked, reply, "eot") == RIGHT, reply
    for reply in ("A pony, I guess.", "A pony I guess.", "A pony, of course.", "It is a pony.", "It's a pony."):
        assert judge(asked, reply, "eot") == passed(f"Not understood: {reply}"), reply
    dish = facts(("Jonas", "dish"), forms=("bare",))
    assert judge(dish, "It is Pellow.", "eot") == passed("Not understood: It is Pellow.")
    friend = facts(("Martin", "friend"), forms=("bare",))
    for reply in ("Tilda avoids him.", "Tilda, his enemy.", "Tilda, Percy says."):
        assert judge(friend, reply, "eot") == not_stated("Martin", "friend"), reply


@pytest.mark.parametrize(
    ("name", "attribute", "other_things", "paraphrases", "sayings"),
    [
        (
            "Ada",
            "street",
            (
                "Ada left {v}.",
                "Ada lives near {v}.",
                "Ada lived in {v}.",
                "Ada wants to live in {v}.",
                "Ada was born in {v}.",
            ),
            ("Ada lives in lovely {v}.", "Ada, who is a dear, lives in {v}.", "Perhaps Ada lives in {v}."),
            ("Ada resides in {v}.", "{v} is where Ada lives."),
        ),
        (
            "Falcon",
            "day",
            (
                "The Falcon is open on {v}.",
                "The Falcon is closed every day but {v}.",
                "The Falcon is closed until {v}.",
            ),
            ("The Falcon is always closed on {v}.",),
            ("The Falcon does not open on {v}.", "{v} is its day of rest."),
        ),
        (
            "Zelda",
            "town",
            (
                "Zelda comes from anywhere but {v}.",
                "Zelda wishes she came from {v}.",
                "If Zelda came from {v}.",
                "If Zelda comes from {v}.",
                "It is doubtful that Zelda comes from {v}.",
                "Zelda lives in {v}.",
            ),
            ("I believe Zelda comes from {v}.", "Zelda comes from {v}, as you know."),
            ("Zelda is from {v}.",),
        ),
        (
            "Hilda",
            "job",
            (
                "Hilda works as a {v}'s helper.",
                "Hilda is an ex-{v}.",
                "Hilda wants to become a {v}.",
                "Hilda knows a {v}.",
                "Hilda and a {v}.",
            ),
            ("Hilda is indeed a {v}.", "Hilda is a good {v}."),
            ("Hilda's trade is that of a {v}.",),
        ),
        (
            "Ida",
            "reason",
            (
                "Ida left home before a {v}.",
                "Ida left home in spite of a {v}.",
                "Ida stayed home because of a {v}.",
                "Ida survived a {v}.",
            ),
            ("Ida left home because of the {v}.",),
            ("Ida moved because of a {v}.",),
        ),
        (
            "Martin",
            "friend",
            ("Martin avoids {v}.", "Martin is married to {v}.", "{v} avoids Martin.", "Martin and {v} fight."),
            ("Martin and {v} are best friends.", "Martin's friend is {v}."),
            ("{v} is Martin's best friend.",),
        ),
        (
            "Dora",
            "dish",
            ("{v} likes Dora best.",),
            ("Dora really likes {v} best.",),
            ("{v} is Dora's favourite dish.",),
        ),
    ],
)
def test_what_is_said_in_words_of_another_thing_is_not_stated(name, attribute, other_things, paraphrases, sayings):
    asked = facts((name, attribute))
    for reply in (text.format(v=value(name, attribute)) for text in other_things):
        assert judge(asked, reply, "eot") == not_stated(name, attribute), reply
    for reply in (text.format(v=value(name, attribute)) for text in paraphrases):
        assert judge(asked, reply, "eot") == passed(f"Not understood: {reply}"), reply
    for reply in (text.format(v=value(name, attribute)) for text in sayings):
        assert judge(asked, reply, "eot") == RIGHT, reply


ADDED = """
import json, sys
from lima_village import attributes, lexicon

lexicon.POOLS["hour"] = ("midnight", "dawn", "noon", "dusk")
hour = attributes.Attribute(
    name="hour", kind="person", label="Gets up", heading="Hours", values="hour", short="At {v}.",
    statements=("{s} gets up at {v}.", "{p} hour is {v}."), wordings=("When does {s} get up?",) * 3,
)
attributes.ATTRIBUTES += (hour,)

from lima_village.grader import judge
from lima_village.world import village

fact = ["Ada", "hour", village()["Ada"].facts["hour"]]
asked = lambda form: {"required": [fact], "forms": [form]}
print(json.dumps([judge(asked(form), reply.format(v=fact[2]), "eot") for form, reply in json.load(sys.stdin)]))
"""


def test_an_attribute_that_is_added_is_read_like_the_others():
    replies = [
        ("bare", "At {v}."),
        ("list", "- Ada: at {v}"),
        ("card", "Name: Ada\nGets up: at {v}"),
        ("sentence", "She gets up at {v}."),
        ("sentence", "Ada always gets up at {v}."),
        ("bare", "At {v}, of course."),
        ("bare", "On {v}."),
        ("sentence", "Ada dreads {v}."),
    ]
    ran = subprocess.run([sys.executable, "-c", ADDED], input=json.dumps(replies), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = [tuple(verdict) for verdict in json.loads(ran.stdout)]
    assert found[:4] == [RIGHT] * 4
    hour = next(word for word in ("midnight", "dawn", "noon", "dusk") if word in found[5][1])
    assert found[4:] == [
        passed(f"Not understood: Ada always gets up at {hour}."),
        passed(f"Not understood: At {hour}, of course."),
        passed(f"Not well formed: On {hour}."),
        ("fail", f"Not stated: the hour of Ada, {hour}."),
    ]
