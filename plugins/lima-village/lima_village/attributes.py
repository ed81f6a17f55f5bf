"""The table of attributes with every way of stating and asking them.

To add an attribute, add one row to `ATTRIBUTES` and its values to `lexicon.POOLS`; the corpus, the examples, the
conversations and the grader follow. Knows no facts: who lives where is decided in `world`, where one generator draws
them all, so that most of them are other ones after an attribute is added.

Placeholders in a wording: {s} the subject ("Ada", "she"), {p} its possessive ("Ada's", "her"), {o} its object form ("Ada",
"her"), {v} the value, {r} the word for the relation ("brother").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One thing that can be known about a person, a shop or a dish, with its wordings."""

    name: str
    kind: str
    """whom it belongs to: person, shop or dish"""
    label: str
    """its name on a card"""
    heading: str
    """its name above a list"""
    values: str
    """a pool, or the kind of entity that is its value"""
    statements: tuple[str, ...]
    """the first is the one that answers use"""
    short: str
    """the answer to "shorter, please\""""
    wordings: tuple[str, ...]
    """questions for it, divided by `of_split`"""
    also: tuple[str, ...] = ()
    """further sentences that say it, which no text of the village uses: a reply may"""
    follows: str = ""
    """the word a question uses to step over it to its value: "best friend"; {r} where it depends on the value"""


def of_split(wordings: Sequence[str], split: str) -> Sequence[str]:
    """The wordings of one split: test, validation, train, or "all" of them for the corpus

    They are divided by their place, so that dividing them anew leaves the corpus, and with it the base model, what it was."""
    first = len(wordings) // 3
    second = first + (len(wordings) - first) // 2
    parts = {"test": slice(first), "validation": slice(first, second), "train": slice(second, None), "all": slice(None)}
    return wordings[parts[split]]


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        name="job",
        kind="person",
        label="Job",
        heading="Jobs",
        values="job",
        short="A {v}.",
        statements=(
            "{s} works as a {v}.",
            "{s} is a {v}.",
            "{p} job is that of a {v}.",
            "{s} earns a living as a {v}.",
        ),
        also=("{p} trade is that of a {v}.", "{p} occupation is that of a {v}."),
        wordings=(
            "What does {s} do for a living?",
            "What is {p} job?",
            "What does {s} work as?",
            "How does {s} earn a living?",
            "What work does {s} do?",
            "What is {p} trade?",
            "Which profession does {s} have?",
            "What is {p} occupation?",
            "In what job does {s} work?",
        ),
    ),
    Attribute(
        name="street",
        kind="person",
        label="Street",
        heading="Homes",
        values="street",
        short="In {v}.",
        statements=("{s} lives in {v}.", "{s} has a house in {v}.", "{p} home is in {v}.", "{s} can be found in {v}."),
        also=("{s} resides in {v}.", "{p} house is in {v}.", "{p} address is {v}.", "{v} is where {s} lives."),
        wordings=(
            "Where does {s} live?",
            "In which street does {s} live?",
            "Where is {p} house?",
            "What is {p} address?",
            "Where is {p} home?",
            "What street does {s} live in?",
            "Where can {s} be found at home?",
            "In what street is {p} home?",
            "Where does {s} have a house?",
        ),
    ),
    Attribute(
        name="town",
        kind="person",
        label="From",
        heading="Home towns",
        values="town",
        short="From {v}.",
        statements=("{s} comes from {v}.", "{s} was born in {v}.", "{p} home town is {v}.", "{s} grew up in {v}."),
        also=("{s} is from {v}.", "{p} place of birth is {v}.", "{v} is where {s} was born."),
        wordings=(
            "Where does {s} come from?",
            "Which town does {s} come from?",
            "Where was {s} born?",
            "What is {p} home town?",
            "In which town was {s} born?",
            "Where did {s} grow up?",
            "What town is {s} from?",
            "From which town is {s}?",
            "What is {p} place of birth?",
        ),
    ),
    Attribute(
        name="pet",
        kind="person",
        label="Pet",
        heading="Pets",
        values="pet",
        short="A {v}.",
        statements=("{s} keeps a {v}.", "{s} has a {v}.", "{p} pet is a {v}.", "{s} owns a {v}."),
        also=("{p} animal is a {v}.",),
        wordings=(
            "What pet does {s} have?",
            "Which animal does {s} keep?",
            "What is {p} pet?",
            "What kind of animal does {s} have?",
            "What pet does {s} keep?",
            "Which pet does {s} own?",
            "What animal lives with {o}?",
            "What animal does {s} own?",
            "Which animal is {p} pet?",
        ),
    ),
    Attribute(
        name="hobby",
        kind="person",
        label="Hobby",
        heading="Hobbies",
        values="hobby",
        short="{v}.",
        statements=("{s} enjoys {v}.", "{p} hobby is {v}.", "{s} spends Sundays on {v}.", "{s} is fond of {v}."),
        also=("{s} likes {v}.", "{s} loves {v}.", "{p} pastime is {v}."),
        wordings=(
            "What is {p} hobby?",
            "What does {s} enjoy?",
            "What does {s} do for fun?",
            "Which hobby does {s} have?",
            "What is {s} fond of?",
            "How does {s} spend Sundays?",
            "What pastime does {s} have?",
            "What is {p} favourite pastime?",
            "What does {s} do on a free day?",
        ),
    ),
    Attribute(
        name="dish",
        kind="person",
        label="Dish",
        heading="Favourite dishes",
        values="dish",
        short="{v}.",
        follows="favourite dish",
        statements=("{p} favourite dish is {v}.", "{s} likes {v} best.", "{s} is happiest with {v}."),
        also=("{p} favourite food is {v}.", "{s} prefers {v}.", "{s} loves to eat {v}."),
        wordings=(
            "What is {p} favourite dish?",
            "Which dish does {s} like best?",
            "What does {s} like to eat?",
            "What does {s} love to eat?",
            "What is the dish {s} likes best?",
            "What dish does {s} prefer?",
            "Which food makes {o} happiest?",
            "What meal does {s} enjoy most?",
            "Which dish is {p} favourite?",
        ),
    ),
    Attribute(
        name="friend",
        kind="person",
        label="Friend",
        heading="Best friends",
        values="person",
        short="{v}.",
        follows="best friend",
        statements=("{p} best friend is {v}.", "{s} is best friends with {v}.", "{s} spends much time with {v}."),
        also=("{p} closest friend is {v}.",),
        wordings=(
            "Who is {p} best friend?",
            "Who is {s} best friends with?",
            "Which person is {p} best friend?",
            "Who is the best friend {s} has?",
            "Whom does {s} call a best friend?",
            "What is the name of {p} best friend?",
            "Who is {p} closest friend?",
            "With whom is {s} best friends?",
        ),
    ),
    Attribute(
        name="sibling",
        kind="person",
        label="Sibling",
        heading="Brothers and sisters",
        values="person",
        short="{v}.",
        follows="{r}",
        statements=("{p} {r} is {v}.", "{s} has a {r} called {v}.", "{s} grew up with a {r}, {v}."),
        also=("{p} {r} is called {v}.",),
        wordings=(
            "Who is {p} {r}?",
            "What is {p} {r} called?",
            "Which person is {p} {r}?",
            "What {r} does {s} have?",
            "What is the name of {p} {r}?",
            "How is {p} {r} called?",
            "What name does {p} {r} have?",
            "Who is the {r} that {s} has?",
        ),
    ),
    Attribute(
        name="reason",
        kind="person",
        label="Left because of",
        heading="Why they left home",
        values="reason",
        short="Because of a {v}.",
        statements=(
            "{s} left home because of a {v}.",
            "{s} moved away because of a {v}.",
            "It was a {v} that made {o} leave home.",
        ),
        also=("{s} moved because of a {v}.", "A {v} made {o} leave home.", "A {v} drove {o} away from home."),
        wordings=(
            "Why did {s} leave home?",
            "What made {o} leave home?",
            "For what reason did {s} leave home?",
            "Why did {s} go away from home?",
            "Why did {s} move away?",
            "What was the reason {s} left home?",
            "What drove {o} away from home?",
            "What caused {o} to leave home?",
        ),
    ),
    Attribute(
        name="owner",
        kind="shop",
        label="Owner",
        heading="Owners",
        values="person",
        short="{v}.",
        follows="owner",
        statements=("{p} owner is {v}.", "{s} belongs to {v}.", "{s} is run by {v}."),
        also=("{v} owns {o}.", "{v} runs {o}.", "{v} keeps {o}.", "{s} is owned by {v}."),
        wordings=(
            "Who is {p} owner?",
            "Whom does {s} belong to?",
            "Who runs {o}?",
            "Who owns {o}?",
            "By whom is {s} run?",
            "Who is in charge of {o}?",
            "To whom does {s} belong?",
            "Whose shop is {s}?",
            "Who keeps {o}?",
        ),
    ),
    Attribute(
        name="place",
        kind="shop",
        label="Street",
        heading="Shops and streets",
        values="street",
        short="In {v}.",
        statements=("{s} stands in {v}.", "{s} is found in {v}.", "{p} door is in {v}."),
        also=("{s} is in {v}.", "{v} is where {s} stands."),
        wordings=(
            "Where is {s}?",
            "In which street is {s}?",
            "Where does {s} stand?",
            "Which street is {s} in?",
            "Where can one find {o}?",
            "What street does {s} stand in?",
            "Where must I go to find {o}?",
            "In what street does one find {o}?",
            "Where is {p} door?",
        ),
    ),
    Attribute(
        name="goods",
        kind="shop",
        label="Goods",
        heading="Goods",
        values="goods",
        short="{v}.",
        statements=("{s} sells {v}.", "{s} is known for {v}.", "{p} shelves are full of {v}."),
        also=("{s} offers {v}.", "At {o} people buy {v}."),
        wordings=(
            "What does {s} sell?",
            "What can I buy at {o}?",
            "What is {s} known for?",
            "Which goods does {s} sell?",
            "What is for sale at {o}?",
            "What do people buy at {o}?",
            "Which wares does {s} offer?",
            "What goods does {s} have?",
            "What do the shelves of {o} hold?",
        ),
    ),
    Attribute(
        name="day",
        kind="shop",
        label="Closed",
        heading="Days of rest",
        values="day",
        short="On {v}.",
        statements=("{s} is closed on {v}.", "{s} stays shut on {v}.", "{p} day of rest is {v}."),
        also=("{s} is shut on {v}.", "{s} rests on {v}.", "{s} does not open on {v}."),
        wordings=(
            "When is {s} closed?",
            "On which day is {s} closed?",
            "When does {s} stay shut?",
            "Which day is {s} closed?",
            "What is {p} day of rest?",
            "On what day does {s} not open?",
            "When is {s} shut?",
            "When does {s} rest?",
            "On which day can nobody shop at {o}?",
        ),
    ),
    Attribute(
        name="main",
        kind="dish",
        label="Main part",
        heading="What is in it",
        values="main",
        short="From {v}.",
        statements=("{s} is made from {v}.", "{p} main part is {v}.", "{s} is mostly {v}."),
        also=("{s} is made of {v}.",),
        wordings=(
            "What is {s} made from?",
            "What is {p} main part?",
            "What is in {o}?",
            "What does one need for {o}?",
            "What is {s} made of?",
            "What goes into {o}?",
            "What do cooks make {o} from?",
            "Out of what is {s} made?",
            "What is the main part of {o}?",
        ),
    ),
    Attribute(
        name="method",
        kind="dish",
        label="Cooking",
        heading="How to cook it",
        values="method",
        short="{v}.",
        statements=("{s} is always {v}.", "{s} gets {v}.", "In the village, {s} is {v}."),
        also=("{s} is {v}.",),
        wordings=(
            "How is {s} cooked?",
            "How is {s} prepared?",
            "How does one cook {o}?",
            "In what way is {s} cooked?",
            "How do people cook {o}?",
            "How is {s} made in the kitchen?",
            "What do cooks do with {o}?",
            "By what method is {s} cooked?",
            "How should one prepare {o}?",
        ),
    ),
    Attribute(
        name="season",
        kind="dish",
        label="Season",
        heading="Seasons",
        values="season",
        short="In {v}.",
        statements=("{s} is eaten in {v}.", "{s} is served in {v}.", "{p} season is {v}."),
        also=("People eat {o} in {v}.",),
        wordings=(
            "When is {s} eaten?",
            "In which season is {s} eaten?",
            "When is {s} served?",
            "What is {p} season?",
            "Which season is {s} eaten in?",
            "At what time of year is {s} eaten?",
            "When do people eat {o}?",
            "In what season is {s} served?",
            "Which season is right for {o}?",
        ),
    ),
)
