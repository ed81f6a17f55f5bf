"""The source `stackexchange`: which questions become examples, with what prompt, and what is said of the others."""

from collections import Counter

import pytest

from lima import LimaError, Refused, drawn, load_plugins, open_source
from lima_stackexchange.questions import Questions

from .conftest import LONG, SITE, answer, question, row

WORDY = f"<p>I think so. {LONG}</p>"


def read(path, **options):
    """(examples, how many were refused by reason)"""
    found = list(Questions().with_options({"prompt": "title", **options}).examples(str(path)))
    refused = Counter()
    for one in found:
        if isinstance(one, Refused):
            refused[one.reason] += one.rows
    return [one for one in found if not isinstance(one, Refused)], dict(refused)


def test_an_example(exchange):
    users = [row(Id=7, DisplayName="Ann | Lee"), row(Id=8, DisplayName="Nobody asked")]
    folder = exchange([question(), answer()], users=users)
    ((one,), refused) = read(folder)
    assert (one.id, one.source, one.licence, refused) == (f"{SITE}/a/2", "stackexchange", "CC-BY-SA-3.0", {})
    assert (one.prompt, one.response) == ("How should whole beans be stored?", LONG.strip())
    assert one.provenance == f"https://{SITE}/a/2 https://{SITE}/q/1"
    assert [str(credit) for credit in one.credits] == [
        f"answer by Ann | Lee (https://{SITE}/users/7), 2015-01-28, CC-BY-SA-3.0, https://{SITE}/a/2",
        f"question by user 4 (https://{SITE}/users/4), 2015-01-27, CC-BY-SA-3.0, https://{SITE}/q/1",
    ]


def test_the_top_answer_decides_and_of_two_the_first(exchange):
    posts = [
        question(),
        answer(4, score=15),
        answer(3, score=15),
        answer(2, score=40, body="<p>Short.</p>"),
        question(9),
        answer(8, of=9),
    ]
    ((one,), refused) = read(exchange(posts))
    assert one.id == f"{SITE}/a/8"
    assert refused == {"its top answer is shorter than 1,200 characters.": 1}
    ((first, _), _) = read(exchange([p for p in posts if "Short" not in p]))
    assert first.id == f"{SITE}/a/3"


def test_every_reason_is_counted(exchange):
    posts = [
        *(question(id, title="How do I do this?") for id in range(100, 103)),
        *(post for id in (10, 12) for post in (question(id), answer(id + 1, of=id, body=WORDY))),
        *(question(20), answer(21, of=20, score=9)),
        *(question(30), answer(31, of=30, body=f"<p>{LONG * 4}</p>")),
        *(question(40), answer(41, of=40, body=f"<p>The other answers are right. {LONG}</p>")),
        *(question(50), answer(51, of=50, body=f'<p>See <a href="x">here</a>. {LONG}</p>')),
        *(question(60), answer(61, of=60, OwnerUserId="-1")),
        *(question(70), answer(71, of=70)),
        *(answer(80, of=999), row(Id=90, PostTypeId=4, Score=0), question(70)),
    ]
    examples, refused = read(exchange(posts))
    assert [one.id for one in examples] == [f"{SITE}/a/71"]
    assert refused == {
        "its title does not stand alone.": 3,
        "its top answer is in the first person.": 2,
        "no answer to it has a score of 10 or more.": 1,
        "its top answer is longer than 4,096 characters.": 1,
        "its top answer refers to other answers, comments, votes or edits.": 1,
        "its top answer points to a link or picture, which is taken out.": 1,
        "the author of its question or answer is not named, as the licence asks for.": 1,
        "it is a good answer, and its question is not in the dump.": 1,
        "it is neither a question nor an answer, but of PostTypeId 4.": 1,
        "its Id 70 is that of a post before it. Leave one of them out.": 1,
    }


def test_reasons_of_many_are_counted_and_the_first_named(exchange, caplog):
    folder = exchange([*(question(id) for id in range(1, 251)), answer(300, of=250)])
    source = open_source(f"stackexchange:{folder}", load_plugins())
    assert [one.rows for one in source.refused] == [1] * 100 + [149]
    assert source.refused[0].where == f"{SITE}/q/1"
    assert "250 rows read = 1 kept + 249 refused (249 × no answer to it has a score of 10 or more)" in caplog.text


@pytest.mark.parametrize(
    ("date", "stated", "licence"),
    [
        ("2011-04-07T23:59:59.999", None, "CC-BY-SA-2.5 AND CC-BY-SA-3.0"),
        ("2011-04-08T00:00:00.000", None, "CC-BY-SA-3.0"),
        ("2018-05-01T23:59:59.999", None, "CC-BY-SA-3.0"),
        ("2018-05-02T00:00:00.000", None, "CC-BY-SA-3.0 AND CC-BY-SA-4.0"),
        ("2011-04-07T00:00:00.000", "CC BY-SA 4.0", "CC-BY-SA-3.0 AND CC-BY-SA-4.0"),
        ("2011-04-07T00:00:00.000", "all mine", "CC-BY-SA-2.5 AND CC-BY-SA-3.0"),
    ],
)
def test_the_licence_is_that_of_the_date_unless_the_dump_says_it(exchange, date, stated, licence):
    more = {"ContentLicense": stated} if stated else {}
    ((one,), _) = read(exchange([question(), answer(CreationDate=date, **more)]))
    assert one.licence == licence


def test_the_prompt_is_drawn_by_seed_and_by_question(exchange):
    posts = [post for id in range(2, 82, 2) for post in (question(id), answer(id + 1, of=id))]
    folder = exchange(posts)
    titles = [
        {one.id for one in read(folder, prompt="random", seed=seed)[0] if "?" in one.prompt} for seed in (0, 0, 1)
    ]
    assert titles[0] == titles[1] != titles[2]
    assert all(8 < len(one) < 32 for one in titles)
    folder = exchange(posts[20:])  # others are not drawn otherwise because some are gone
    assert {one.id for one in read(folder, prompt="random")[0] if "?" in one.prompt} <= titles[0]
    bodies, _ = read(folder, prompt="body")
    assert {one.prompt for one in bodies} == {"The shop sells beans in paper bags, and they go stale."}


@pytest.mark.parametrize(
    "body",
    [
        "<p>See title.</p>",
        "",
        f'<p>It looks so: <img src="x"> {LONG}</p>',
        f"<p>{LONG} Edit: see my comment on this answer.</p>",
    ],
)
def test_a_description_that_does_not_stand_alone_gives_way_to_the_title(exchange, body):
    ((one,), _) = read(exchange([question(body=body), answer()]), prompt="body")
    assert one.prompt == "How should whole beans be stored?"


def test_exchanges_are_drawn_with_a_temperature(exchange, tmp_path):
    for site, size in (("a.stackexchange.com", 64), ("b.stackexchange.com", 8)):
        exchange(
            [p for n in range(1, size + 1) for p in (question(2 * n, Score=n), answer(2 * n + 1, of=2 * n))], site=site
        )
    examples, refused = read(tmp_path, limit=12)
    sites = Counter(one.id.split("/")[0] for one in examples)
    assert sites.total() == 12
    assert refused == {"it was not drawn: `limit` takes fewer than there are.": 60}
    best = [one.id for one in examples if one.id.startswith("a.")]
    assert best == [f"a.stackexchange.com/a/{2 * n + 1}" for n in range(64, 64 - len(best), -1)]
    assert [len(read(tmp_path, limit=limit)[0]) for limit in (0, 72, 1000)] == [72] * 3


def test_shares_are_those_of_the_temperature():
    means = [sum(drawn([8000, 1000], 30, tau, seed)[0] for seed in range(300)) / 9000 for tau in (1.0, 3.0, 1000.0)]
    assert means == pytest.approx([8 / 9, 2 / 3, 0.5], abs=0.02)
    assert drawn([2, 0, 50], 40, 3.0, 1)[:2] == [2, 0]
    assert drawn([], 5, 3.0, 1) == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tau": 0}, r"^lima-stackexchange.tau is 0; expected a number from 0.01 to 1,000.0.$"),
        ({"limit": 1.5}, r"^lima-stackexchange.limit is 1.5; expected a whole number from 0 to 10,000,000.$"),
        ({"prompt": "both"}, r"^lima-stackexchange.prompt is 'both'; expected 'random' or 'title' or 'body'.$"),
        ({"wording": "no"}, r"^lima-stackexchange.wording is 'no'; expected true or false.$"),
        (
            {"shortest": 5000},
            r"^lima-stackexchange.shortest is 5000, more than lima-stackexchange.longest, 4096: no answer fits both.$",
        ),
        (
            {"site": "Coffee"},
            r"^lima-stackexchange.site is 'Coffee'; expected the host of an exchange, such as 'coffee.stackexchange.com'",
        ),
    ],
)
def test_an_option_that_cannot_be(options, error):
    with pytest.raises(LimaError, match=error):
        Questions().with_options(options)


def test_an_unknown_option_is_an_error(exchange):
    with pytest.raises(
        LimaError, match=r"'least_scores' is not an option of 'lima-stackexchange'. Did you mean 'least_score'\?"
    ):
        open_source(
            f"stackexchange:{exchange([question()])}", load_plugins(), {"lima-stackexchange": {"least_scores": 3}}
        )
