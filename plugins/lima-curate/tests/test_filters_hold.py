"""What holds for any examples: counts, permutation, a second pass, and exclusions that are right by an independent count."""

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lima_chat
import lima_curate
import lima_dialogue_eval
import lima_stackexchange
from lima import Example, Excluded, LimaError, open_source
from lima.testing import only_plugins
from lima_curate import choose, open_filter
from lima_curate.filters.near_duplicates import NearDuplicates, bands

WORDS = [
    "kettle",
    "water",
    "bean",
    "cup",
    "I",
    "as",
    "others",
    "said",
    "3",
    "+",
    "-",
    "{",
    "…",
    "#",
    "\n",
    "```\n",
    "水",
]
texts = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
examples = st.lists(st.tuples(texts, texts), max_size=12).map(
    lambda pairs: [Example(id=str(n), source="s", prompt=p, response=r) for n, (p, r) in enumerate(pairs)]
)
ALONE = ["length", "first-person", "references", "stands-alone", "language", "quality"]
"They look at each example alone"
CHOICES = {"longest": {"k": 3}, "random": {"k": 3, "seed": 5}, "diverse": {"k": 3}}


@pytest.fixture(scope="module")
def plugins():
    with only_plugins(
        lima_chat=lima_chat,
        lima_dialogue_eval=lima_dialogue_eval,
        lima_stackexchange=lima_stackexchange,
        lima_curate=lima_curate,
    ) as found:
        yield found


@given(examples, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_read_is_kept_and_left_out_and_the_order_of_examples_changes_nothing(plugins, given, rng):
    shuffled = rng.sample(given, len(given))
    for name in [*ALONE, *CHOICES]:
        chain = [(name, open_filter(plugins, name, CHOICES.get(name)))]
        done, other = choose(given, chain), choose(shuffled, chain)
        (one,) = done.passes
        assert one.read == len(given) == len(done.kept) + len(done.exclusions) == one.kept + one.left_out
        assert [*done.kept] == [one for n, one in enumerate(given) if n not in {e.place for e in done.exclusions}]
        if name in ALONE or len({one.content_hash for one in given}) == len(given):
            assert {one.id for one in done.kept} == {one.id for one in other.kept}
        if name in CHOICES:
            assert len(done.kept) == min(3, len(given))
        assert choose(done.kept, chain).exclusions == ()


@given(examples)
@settings(max_examples=25, deadline=None)
def test_filters_that_look_at_examples_alone_leave_the_same_in_any_order(plugins, given):
    chain = [(name, open_filter(plugins, name)) for name in ALONE]
    assert [*choose(given, chain).kept] == [*choose(given, chain[::-1]).kept]


def shingles(text):
    words = text.split()
    return {*zip(words, words[1:], words[2:], strict=False)}


def similarity(one, other):
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_near_duplicates_are_those_that_a_count_of_all_pairs_finds(threshold):
    rng = random.Random(3)
    made = []
    for _ in range(120):
        words = [f"w{rng.randrange(400)}" for _ in range(rng.randint(20, 60))]
        for _ in range(rng.randint(1, 3)):
            made.append(" ".join(words))
            words = [w if rng.random() > 0.04 else f"w{rng.randrange(400)}" for w in words]
    rng.shuffle(made)
    kept, gone = [], []
    for place, text in enumerate(made):
        (gone if any(similarity(text, other) >= threshold for other in kept) else kept).append(text)
        if gone and gone[-1] is text:
            gone[-1] = place
    given = [Example(id=str(n), source="s", prompt="p", response=text) for n, text in enumerate(made)]
    found = list(NearDuplicates(threshold, "answer").excludes(given))
    assert [one.place for one in found] == gone
    assert len(gone) > 30
    left = [one for one in given if int(one.id) not in gone]
    assert list(NearDuplicates(threshold, "answer").excludes(left)) == []


def test_the_reason_names_the_most_similar_and_its_exact_similarity():
    words = [f"w{n}" for n in range(22)]
    near, nearer = [*words[:19], "x", "y", "z"], [*words[:21], "z"]
    rows = [words, near, nearer]
    given = [Example(id="abc"[n], source="s", prompt="p", response=" ".join(row)) for n, row in enumerate(rows)]
    found = list(NearDuplicates(0.7, "answer").excludes(given))
    assert found == [
        Excluded(1, "Its answer is 73.9 % the same as that of 'a' of 's'."),
        Excluded(2, "Its answer is 90.5 % the same as that of 'a' of 's'."),
    ]


def test_fewer_bands_would_miss_pairs_at_the_threshold():
    for threshold in (0.3, 0.5, 0.7, 0.8, 0.9, 1.0):
        count = bands(threshold)
        assert (1 - threshold ** (128 // count)) ** count < 1e-6


def test_across_sources_the_example_of_the_set_goes(plugins, tmp_path):
    held_out = tmp_path / "held-out.jsonl"
    held_out.write_text('{"prompt": "Why is coffee bitter in the morning?", "response": "The water is too hot."}\n')
    given = [
        Example(id="mine", source="s", prompt="Why is coffee bitter in the morning?", response="The water is too hot!")
    ]
    one = open_filter(plugins, "near-duplicates", {"against": [str(held_out)]})
    assert [*one.excludes(given)] == [Excluded(0, f"It has the same words as 'held-out.jsonl:1' of '{held_out}'.")]


class Wrong:
    description = "wrong"

    def __init__(self, *found):
        self.found = found

    def excludes(self, examples):
        return self.found


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([Excluded(2, "x")], "leaves out place 2 of 2 examples"),
        ([Excluded(-1, "x")], "leaves out place -1 of 2"),
        ([Excluded(0, "x"), Excluded(0, "y")], "leaves out place 0 twice"),
        ([7], "gave an object of int; expected lima.Excluded"),
    ],
)
def test_what_a_filter_may_not_leave_out_is_an_error_that_names_it(found, why):
    given = [Example(id=str(n), prompt="p", response="r") for n in range(2)]
    with pytest.raises(LimaError, match=f"The filter 'wrong' {why}"):
        choose(given, [("wrong", Wrong(*found))])


def test_a_chain_names_the_place_in_the_whole_set_and_counts_each_filter(plugins):
    given = [Example(id=str(n), source="s", prompt="p", response="a" * n) for n in range(1, 8)]
    chain = [
        ("length", open_filter(plugins, "length", {"shortest": 3})),
        ("longest", open_filter(plugins, "longest", {"k": 2})),
    ]
    done = choose(given, chain)
    assert [one.row() for one in done.passes] == [
        {"filter": "length", "read": 7, "left_out": 2, "kept": 5},
        {"filter": "longest", "read": 5, "left_out": 3, "kept": 2},
    ]
    assert [(one.place, one.example, one.filter) for one in done.exclusions] == [
        (0, "1", "length"),
        (1, "2", "length"),
        (2, "3", "longest"),
        (3, "4", "longest"),
        (4, "5", "longest"),
    ]
    assert done.exclusions[2].content_hash == given[2].content_hash
    assert [one.id for one in done.kept] == ["6", "7"]
    assert done.kept[1].id == "7"
    assert [one.id for one in done.kept[:1]] == ["6"]


@pytest.mark.slow
def test_a_large_source_is_read_again_and_not_kept(plugins, tmp_path):
    file = tmp_path / "many.jsonl"
    rows = [{"prompt": f"What is {n}?", "response": f"It is {n}." + " So." * (n % 7)} for n in range(10_050)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    records = open_source(str(file), plugins).records
    assert not isinstance(records, tuple)
    chain = [
        ("length", open_filter(plugins, "length", {"shortest": 20})),
        ("random", open_filter(plugins, "random", {"k": 10})),
    ]
    done = choose(records, chain)
    assert [one.read for one in done.passes] == [10_050, sum(len(row["response"]) >= 20 for row in rows)]
    assert len([*done.kept]) == 10 == len({one.id for one in done.kept})
    assert sum(one.left_out for one in done.passes) == len(done.exclusions) == 10_040


def test_diverse_takes_each_time_what_adds_most(plugins):
    rng = random.Random(1)
    rows = [" ".join(rng.choices("abcdefghijklmnopqrst", k=rng.randint(2, 12))) for _ in range(60)]
    given = [Example(id=str(n), prompt=".", response=row) for n, row in enumerate(rows)]
    covered, wanted = set(), set()
    for _ in range(20):
        gains = {n: len({*pairwise(row.split())} - covered) for n, row in enumerate(rows) if n not in wanted}
        best = min(gains, key=lambda n: (-gains[n], given[n].content_hash))
        wanted.add(best)
        covered |= {*pairwise(rows[best].split())}
    done = choose(given, [("diverse", open_filter(plugins, "diverse", {"k": 20}))])
    assert {int(one.id) for one in done.kept} == wanted


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("longest", {}, "needs k, the number of examples to keep"),
        ("judged", {}, "needs a grader"),
        ("judged", {"grader": "nobody"}, "There is no grader 'nobody'"),
        ("contamination", {"against": ["nowhere"]}, "There is no evaluation 'nowhere', and no such file"),
        ("near-duplicates", {"against": ["nowhere"]}, "nowhere"),
    ],
)
def test_what_is_missing_is_said_when_examples_come(plugins, name, values, why):
    one = open_filter(plugins, name, values)
    with pytest.raises(LimaError, match=why):
        list(one.excludes([Example(id="1", prompt="p", response="r")]))


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("lenght", {}, "There is no filter 'lenght'. Did you mean 'length'"),
        ("length", {"shortes": 3}, "'shortes' is not an option of the filter 'length'. Did you mean 'shortest'"),
        ("first-person", {"k": 3}, "'k' is not an option of the filter 'first-person'. It has no options"),
        ("length", {"shortest": 9, "longest": 3}, "length.shortest is 9, more than length.longest, 3"),
        ("quality", {"fewest_words": 9, "most_words": 3}, "quality.fewest_words is 9, more than quality.most_words, 3"),
        ("language", {"languages": ["english"]}, "'english', which is not a code that py3langid knows"),
        ("language", {"languages": []}, "language.languages names none"),
        ("judged", {"store": "x"}, "'store' is not an option"),
    ],
)
def test_options_that_cannot_be_are_errors(plugins, name, values, why):
    with pytest.raises(LimaError, match=why):
        open_filter(plugins, name, values)


def test_an_empty_answer_is_too_short(plugins):
    examples = [Example(id=text, prompt="Why?", response=text) for text in ("", "a", "ab")]
    found = open_filter(plugins, "length", {"shortest": 2}).excludes(examples)
    assert [(one.place, one.reason) for one in found] == [
        (place, f"The length of an answer in characters is {place}, fewer than 2.") for place in (0, 1)
    ]
