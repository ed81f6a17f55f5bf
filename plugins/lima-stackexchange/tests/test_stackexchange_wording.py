"""The word lists, with sentences that they must find and sentences that they must leave."""

import pytest

from lima_stackexchange.wording import first_person, points_to_what_is_gone, prose, refers, stands_alone

FIRST = """\
I would grind it finer. | In my experience it keeps for weeks. | That is what I'm after. | To me it tastes sour.
IMO it is bitter. | But I, too, saw it. | Do as (I think) Bob did. | AFAIK it is legal. | i've no idea
Hope this helps! | Ask me. | When I was young, it was so."""
NOT_FIRST = """\
World War I began in 1914. | Charles I lost his head. | Section I says so. | It is a Type I error.
We call this the crema. | You can ask them. | R&I is a department. | The A.I. market | Use the i-th element.
Let us assume that x is 1. | The MEMS sensor | Mystery | i.e. this | The company's ME division is small.
Hopefully this explains it."""
REFERS = """\
As the other answers say, it is so. | See the accepted answer. | @bob is right.
As others have mentioned, it is cheap. | Bob's answer covers it. | The OP wants a list.
This has been answered here before. | I downvoted it. | Edit: it was wrong. | UPDATE - new figures
In the comments you say so. | As stated in the answer above, no. | Please do not vote to close.
It is a duplicate of that. | On History.SE it is on-topic. | Welcome to Stack Overflow!
Your question as stated has no solution. | +1 for the idea, but no. | Thank you Pieter.
Most of the answers are wrong. | As already mentioned, it is."""
NOT_REFERS = """\
The answer is 42. | There is another way. | Post it by mail. | The editor updates the file.
Napoleon answered the letter. | Add +1 to x. | It edits text: a lot of it. | As Aristotle noted, it moves.
The topic is old. | The committee voted for it. | An update is due. | Mail bob@example.org.
The answer to this problem is simple. | Responses vary by age. | Comments begin with a #. | It is open to question.
Thanks to Newton, we know."""
GONE = """\
See this article for more. | The picture below shows it. | It is described here: The Manual | click here to see
as shown above | Source: Wikipedia | Use the link above. | It was so.[2] | These graphs tell more. | see also: more"""
NOT_GONE = """\
Here you need patience. | Draw a picture of it. | Click on Save. | A map of x to y | The article was sold.
The figure is 3.2. | The table has a row. | Link the files with ld. | Pages are kept in memory.
From here on it is easy."""


def sentences(text):
    return [one.strip() for line in text.splitlines() for one in line.split(" | ")]


@pytest.mark.parametrize(
    ("find", "some", "none"),
    [
        (first_person, FIRST, NOT_FIRST),
        (refers, REFERS, NOT_REFERS),
        (points_to_what_is_gone, GONE, NOT_GONE),
    ],
)
def test_what_is_found_and_what_is_not(find, some, none):
    assert [one for one in sentences(some) if not find(one)] == []
    assert [(one, find(one)) for one in sentences(none) if find(one)] == []


def test_words_of_others_are_not_the_authors():
    text = 'He said "I came" and “my way”.\n\n> I quote this answer.\n\n```\nI = me\n```\n\nUse `I` there.'
    assert first_person(prose(text)) == ""
    assert refers(prose(text)) == ""
    assert first_person(prose(f"{text}\n\nI agree.")) == "I"


def test_titles():
    alone = [
        "How do I store whole beans?",
        "Why do those who roast wait?",
        "Is it possible to freeze milk?",
        "Was World War I avoidable?",
        "Will coffee cost more this year?",
    ]
    not_alone = [
        "What is this?",
        "How do I use this coffee maker?",
        "Is it on topic here?",
        "Beans…",
        "Storing beans",
        "Which of the following is right?",
    ]
    assert [stands_alone(title) for title in alone + not_alone] == [True] * 5 + [False] * 6
