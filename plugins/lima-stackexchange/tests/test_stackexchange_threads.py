"""The source `stackexchange-threads`: who says what in which order, and which chains are dialogues."""

from collections import Counter

import pytest

from lima import LimaError, Refused
from lima_stackexchange.threads import Threads

from .conftest import SITE, answer, comment, question, row

USERS = [row(Id=4, DisplayName="Ada Byron"), row(Id=7, DisplayName="Bob"), row(Id=9, DisplayName="Cy")]
POSTS = [question(), answer(body="<p>Keep them in a tin.</p>")]
BACK = [comment(1, 2, "Which tin?", 4, "2015-01-29T01"), comment(2, 2, "Any with a lid.", 7, "2015-01-29T02")]


def read(folder, **options):
    """(dialogues as lists of (role, text), how many were refused by reason)"""
    found = list(Threads().with_options(options).examples(str(folder)))
    refused = Counter()
    for one in found:
        if isinstance(one, Refused):
            refused[one.reason] += one.rows
    return [[(t.role[0], t.content) for t in one.turns] for one in found if not isinstance(one, Refused)], dict(refused)


def said(exchange, *comments, posts=POSTS, **options):
    """The turns of the only dialogue, but for question and answer"""
    ((turns,), _) = read(exchange(posts, comments=comments, users=USERS), **options)
    return turns[2:]


def test_a_chain_in_order_of_time(exchange):
    comments = [
        comment(5, 2, "@Bob thanks, a tin it is.", 4, "2015-01-29T05"),
        comment(3, 1, "Are they roasted?", 7, "2015-01-27T21"),
        comment(4, 1, "@Bob yes, last week.", 4, "2015-01-27T22"),
        comment(6, 2, "+1 You are welcome.", 7, "2015-01-29T06"),
        comment(7, 2, "And once more?", 4, "2015-01-29T07"),
    ]
    folder = exchange(POSTS, comments=comments, users=USERS)
    ((turns,), refused) = read(folder)
    assert refused == {}
    assert turns == [
        ("u", "How should whole beans be stored?\n\nThe shop sells beans in paper bags, and they go stale."),
        ("a", "Are they roasted?"),
        ("u", "Yes, last week."),
        ("a", "Keep them in a tin."),
        ("u", "Thanks, a tin it is."),
        ("a", "You are welcome."),
    ]
    (one,) = (one for one in Threads().examples(str(folder)) if not isinstance(one, Refused))
    assert (one.id, one.licence) == (f"{SITE}/a/2", "CC-BY-SA-3.0")
    parts = [str(credit) for credit in one.credits]
    assert len(parts) == 6
    assert parts[1] == (
        f"comment (assistant) by Bob (https://{SITE}/users/7), 2015-01-27, CC-BY-SA-3.0, https://{SITE}/questions/1#comment3_1"
    )


def test_what_others_say_is_left_out_with_what_is_said_to_them(exchange):
    others = [
        comment(3, 2, "Why not a jar?", 9, "2015-01-29T03"),
        comment(4, 2, "Light spoils them.", 7, "2015-01-29T04"),
        comment(5, 2, "@Cy I have no jar.", 4, "2015-01-29T05"),
        comment(6, 2, "@AdaByron a lid is all it needs.", 7, "2015-01-29T06"),
    ]
    assert said(exchange, *BACK, *others) == [("u", "Which tin?"), ("a", "Any with a lid.\n\nA lid is all it needs.")]
    with_them = said(exchange, *BACK, *others, others="user")
    assert with_them[2:4] == [("u", "Why not a jar?"), ("a", "Light spoils them.\n\nA lid is all it needs.")]


def test_edits_are_said_when_they_were_made(exchange):
    more = {"LastEditorUserId": 7, "LastEditDate": "2015-01-30T00"}
    body = "<p>Keep them in a tin.</p><p><strong>EDIT:</strong> a dark one.</p><p>With a lid.</p>"
    posts = [question(), answer(body=body, **more)]
    turns = said(exchange, BACK[0], posts=posts)
    assert turns == [("u", "Which tin?"), ("a", "A dark one.\n\nWith a lid.")]
    posts = [question(), answer(body=body, **more | {"LastEditorUserId": 9})]
    assert read(exchange(posts, comments=[BACK[0]]))[0] == []  # somebody else changed it: nobody knows what


def test_every_answer_is_a_dialogue_or_has_a_reason(exchange):
    posts = [
        *(
            question(),
            answer(2),
            answer(3, OwnerUserId=4),
            answer(4, OwnerUserId=0),
            answer(5, of=99),
            row(Id=6, PostTypeId=5, Score=0),
        ),
        *(answer(10), answer(11, body="<p> </p>"), answer(12), answer(13)),
    ]
    links = [("See [here](http://a.org).", 10), ("Which one?", 11), ("Which one?", 12)]
    comments = [comment(20 + n, post, text, 4, "2015-01-29T01") for n, (text, post) in enumerate(links)]
    comments += [comment(30 + n, post, "That one.", 7, "2015-01-29T02") for n, post in enumerate((10, 11, 12))]
    dialogues, refused = read(exchange(posts, comments=comments))
    assert len(dialogues) == 1
    assert refused == {
        "its chain has fewer than 2 exchanges between who asked and who answered.": 2,
        "who asked it is who answered it.": 1,
        "the author of its question or answer is not named, as the licence asks for.": 1,
        "its question is not in the dump.": 1,
        "it is neither a question nor an answer, but of PostTypeId 5.": 1,
        "a comment or post of its chain points to a link or picture, which is taken out.": 1,
        "its question or it is empty.": 1,
    }
    assert len(read(exchange(posts, comments=comments), wording=False)[0]) == 2
    assert len(read(exchange(posts, comments=comments), least_exchanges=1)[0]) == 3
    assert len(read(exchange(posts, comments=comments), limit=1)[0]) == 1


@pytest.mark.parametrize(
    ("posts", "comments", "file", "reason"),
    [
        (
            POSTS,
            [*BACK, row(Id=9, PostId="x", Text="y")],
            "Comments.xml, row 3",
            "its PostId is 'x'; expected a whole number",
        ),
        (
            POSTS,
            [*BACK, comment(9, 2, "y", 4, date="soon")],
            "Comments.xml, row 3",
            "its CreationDate is 'soon'; expected one",
        ),
        (POSTS, [*BACK, "<post/>"], "Comments.xml, row 3", "it is <post>; expected <row>."),
        (
            [*POSTS, answer(3, body="<p>EDIT: x</p>", LastEditorUserId=7, LastEditDate="1")],
            BACK,
            "Posts.xml, row 3",
            "its LastEditDate is '1'; expected one such as",
        ),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_place(exchange, posts, comments, file, reason):
    example, refused = Threads().examples(str(exchange(posts, comments=comments)))
    assert example.id == f"{SITE}/a/2"
    assert refused.fault
    assert refused.where.startswith(f"{SITE}/{file} (byte ")
    assert refused.reason.startswith(reason)


def test_people_whose_accounts_are_gone_are_known_by_name(exchange):
    posts = [question(OwnerUserId=0, OwnerDisplayName="user39"), answer(OwnerUserId=0, OwnerDisplayName="user40")]
    comments = [
        row(Id=1, PostId=2, Text="Which?", CreationDate="2015-01-29T01", UserDisplayName="user39"),
        row(Id=2, PostId=2, Text="Any.", CreationDate="2015-01-29T02", UserDisplayName="user40"),
    ]
    ((turns,), _) = read(exchange(posts, comments=comments))
    assert turns[2:] == [("u", "Which?"), ("a", "Any.")]


def test_comments_are_looked_for_beside_the_posts(exchange, tmp_path):
    folder = exchange(POSTS)
    with pytest.raises(LimaError, match="There are no comments beside .*Posts.xml, and dialogues are made of them"):
        read(folder)
    exchange(POSTS, comments=BACK)
    for kind in ("Posts", "Comments"):
        (folder / f"{kind}.xml").rename(tmp_path / f"coffee_{kind.lower()}.xml")
    file = tmp_path / "coffee_posts.xml"
    with pytest.raises(
        LimaError, match=r"Nothing says which exchange .* --set 'lima-stackexchange.site=coffee.stackexchange.com'$"
    ):
        read(file)
    assert len(read(file, site=SITE)[0]) == 1
    assert len(read(tmp_path, site={"coffee": SITE})[0]) == 1
