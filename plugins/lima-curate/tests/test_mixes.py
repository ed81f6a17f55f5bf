"""`lima mix`: Table 1 as the paper has it, the same bytes from the same sources, and nothing lost without a reason."""

import hashlib
import json
from pathlib import Path

import pytest

from lima import Example, LimaError, Store, load_plugins, open_source
from lima_curate.dataset import write_dataset
from lima_curate.lengths import counter_for
from lima_curate.mixes.making import mixture
from lima_curate.mixes.recipe import mix_of

from .conftest import ASKED

TABLE_1 = {
    "stackexchange-stem": (200, 117, 523),
    "stackexchange-other": (200, 119, 530),
    "wikihow": (200, 12, 1811),
    "writingprompts": (150, 34, 274),
    "natural-instructions": (50, 236, 92),
    "authors": (200, 40, 334),
}
"Rows, tokens in and out (LIMA §2)"

LENGTH = 'filters = [{filter = "length", shortest = 5, longest = 100}]'


def entry(path, **keys):
    lines = [f'spec = "{path}"', *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(["[[source]]", *lines, ""])


@pytest.fixture
def mixed(plugins):
    """The mixture of a TOML text"""
    return lambda text, **options: mixture(
        mix_of(text, "mine"), load_plugins(), counter_for(None, load_plugins()), **options
    )


def test_table_1_is_the_papers(lima, examples, tmp_path):
    """759,800 tokens, and wikiHow with half of what the loss is taken over, by the mix that is shipped"""
    given = [f"--path={name}=dataset:{examples(name, rows + 7, *tokens)}" for name, (rows, *tokens) in TABLE_1.items()]
    done = lima("mix", "lima-table-1", "--out", "t.jsonl", "--json", *given).json
    assert [(row["source"], row["taken"]) for row in done["sources"]] == [
        (n, rows) for n, (rows, *_) in TABLE_1.items()
    ]
    assert done["tokens_in"] + done["tokens_out"] == 759_800
    assert [row["share"] for row in done["sources"]] == ["16.8 %", "17.1 %", "48.0 %", "6.1 %", "2.2 %", "9.8 %"]
    assert done["remarks"] == [
        "wikihow has 52.9 % of the tokens that the loss is taken over: mostly how it answers is learnt. Take fewer or shorter "
        "ones, or give its examples a smaller weight."
    ]
    file = tmp_path / "t.jsonl"
    assert done["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(open_source(str(file), load_plugins()).records) == 1000


def test_what_is_missing_is_said_with_what_brings_it(lima, examples):
    done = lima("mix", "lima-table-1", "--out", "t.jsonl", "--path", f"authors={examples('authors', 3)}")
    said = " ".join(done.out.split())
    for words in (
        "authors: only 3 of the 200 examples that it should give.",
        "Missing: wikihow. `pip install lima-wikihow`, then --path wikihow=PATH (a CSV export of wikiHow's articles).",
        "Missing: stackexchange-stem. `pip install lima-stackexchange`, then --path stackexchange-stem=PATH (a folder",
    ):
        assert words in said, words
    nothing = lima("mix", "lima-table-1", "--out", "n.jsonl", code=1)
    assert "has none of its sources here. Bring at least one:" in nothing.err
    assert not Path("n.jsonl").exists()


def test_the_same_mix_and_sources_are_the_same_bytes(lima, examples):
    text = "\n".join(["n = 12", "seed = 4", entry(examples("a", 30)), entry(examples("b", 5))])
    Path("m.toml").write_text(text)
    for out, method in (("1", "random"), ("2", "random"), ("3", "longest"), ("4", "first")):
        lima("mix", "m.toml", "--out", f"{out}.jsonl", "--method", method)
    one, two, *others = (Path(f"{n}.jsonl").read_bytes() for n in (1, 2, 3, 4))
    assert one == two
    assert len({one, *others}) == 3
    again = lima("mix", "m.toml", "--out", "1.jsonl", code=1)
    assert "1.jsonl exists and is not overwritten" in again.err
    assert Path("1.jsonl").read_bytes() == one


def test_shares_takes_and_a_temperature_decide_how_many(mixed, examples):
    a, b, c, d = (examples(name, count) for name, count in (("a", 40), ("b", 40), ("c", 900), ("d", 9)))
    text = "\n".join(["n = 100", entry(a, take=10), entry(b, share=0.2), entry(c), entry(d)])
    first, second = (
        [len(pool.taken) for pool in mixed(text.replace("n = 100", f"n = 100\ntau = {tau}")).pools] for tau in (1, 1000)
    )
    assert (first[:2], second[:2], sum(first), sum(second)) == ([10, 20], [10, 20], 100, 100)
    assert first[2] > second[2]
    assert second[3] == 9
    assert [len(pool.taken) for pool in mixed(entry(a, take=3) + entry(d)).pools] == [3, 9]


def test_baselines_draw_as_many_from_the_same_pools(mixed, tmp_path):
    records = [Example(id=str(n), source="s", prompt="Why?", response="x" * (n * 37 % 100 + 1)) for n in range(100)]
    file = write_dataset(tmp_path / "s.jsonl", records).file
    taken = {method: mixed(entry(file, take=10), method=method).records for method in ("first", "random", "longest")}
    assert [one.id for one in taken["first"]] == [str(n) for n in range(10)]
    assert sorted(len(one.response) for one in taken["longest"]) == list(range(91, 101))
    assert len({one.id for one in taken["random"]}) == 10
    assert taken["random"] != taken["first"]


def test_a_baseline_draws_of_all_where_a_source_would_choose_itself(mixed, examples):
    """And a path that names another source has not its options"""
    text = entry("numbers", name="n", take=4) + "own_choice = {limit = 4}\n"
    first, longest = ([one.id for one in mixed(text, method=how).records] for how in ("first", "longest"))
    assert (first, longest) == (["0", "1", "2", "3"], ["46", "47", "48", "49"])
    assert len(mixed(text, paths={"n": f"dataset:{examples('a', 9)}"}).records) == 4


def test_read_is_refused_left_out_not_drawn_and_taken(lima, examples, tmp_path):
    """And each has its reason in the database"""
    Path("rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"Q{n}?", "response": "y" * n, "weight": n % 2}) + "\n" for n in range(1, 21))
    )
    Path("m.toml").write_text(
        "\n".join(['filters = ["near-duplicates"]', entry("rows.jsonl", take=4) + LENGTH, entry(examples("b", 2))])
    )
    done = lima("mix", "m.toml", "--out", "o.jsonl", "--json", "--dry-run").json
    assert not Path("o.jsonl").exists()
    done = lima("mix", "m.toml", "--out", "o.jsonl", "--json").json
    row = done["sources"][0]
    assert row["read"] == 20 == row["refused"] + row["left_out"] + row["not_drawn"] + row["taken"]
    assert (row["refused"], row["left_out"], row["taken"]) == (10, 2, 4)
    shown = lima("mixes", "show", done["mix"][:12], "--excluded", "--json").json
    reasons = [(one["filter"], one["rows"], one["reason"]) for one in shown["exclusions"]]
    assert sum(rows for _, rows, _ in reasons) == 20 - 4
    assert ("length", 1, "The length of an answer in characters is 3, fewer than 5.") in reasons
    assert shown["toml"] == Path("m.toml").read_text()
    assert shown["sha256"] == done["sha256"]
    assert "length" in lima("mixes", "show", done["mix"]).out
    assert done["mix"] in lima("mixes").out


def test_what_an_evaluation_asks_is_refused_unless_told(lima, tmp_path):
    asks = Example(id="fox", source="s", prompt=ASKED, response="Because it can.")
    write_dataset("s.jsonl", [asks, Example(id="tea", source="s", prompt="How do I make tea?", response="With water.")])
    Path("m.toml").write_text(entry("s.jsonl"))
    refused = lima("mix", "m.toml", "--out", "o.jsonl", code=1)
    assert "Of 2 examples, 1 example asks what an evaluation asks" in refused.err
    assert "'fox'" in refused.err
    assert "1 example asks" in lima("mix", "m.toml", "--out", "o.jsonl", "--allow-contamination").out
    for at, text in enumerate(
        ['filters = ["contamination"]\n' + entry("s.jsonl"), entry("s.jsonl", filters=["contamination"])]
    ):
        Path("m.toml").write_text(text)
        assert lima("mix", "m.toml", "--out", f"p{at}.jsonl", "--json").json["taken"] == 1
        told = lima("mix", "m.toml", "--out", f"q{at}.jsonl", "--json", "--allow-contamination").json
        assert (told["taken"], len(told["remarks"])) == (2, 1)
    shipped = lima("mix", "lima-table-1", "--path", "authors=s.jsonl", "--dry-run", "--json").json
    assert (shipped["left_out"], shipped["taken"]) == (1, 1)


def test_it_says_the_licences_and_that_a_mix_is_smaller_than_asked(lima, examples):
    named, nameless = examples("a", 3, licence="CC-BY-SA-4.0"), examples("b", 2)
    Path("m.toml").write_text("n = 9\n" + entry(named, name="a") + entry(nameless, name="b"))
    said = " ".join(lima("mix", "m.toml", "--out", "o.jsonl").out.split())
    assert "The mix has only 5 of the 9 examples that its n asks for: its sources give no more." in said
    assert "a CC-BY-SA-4.0 b not stated" in said
    assert {one.licence for one in open_source("o.jsonl", load_plugins()).records} == {"CC-BY-SA-4.0", "not stated"}
    Path("plain.jsonl").write_text('{"prompt": "Why?", "response": "So."}\n')
    Path("m.toml").write_text(entry("plain.jsonl"))
    (one,) = lima("mix", "m.toml", "--out", "one.jsonl", "--json").json["sources"]
    assert one["licences"] == "not stated by the file"
    assert "1 example, " in lima("mix", "m.toml", "--out", "two.jsonl").out
    Path("m.toml").write_bytes(b"# caf\xe9\n")
    wrong = lima("mix", "m.toml", "--dry-run", code=1).err
    assert "m.toml is not UTF-8 text (invalid continuation byte at byte 5): convert it to UTF-8." in wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n = ", "it is not TOML"),
        ("n = 5", "needs a table [[source]]"),
        ("tua = 1\n[[source]]\nspec = 'a'", "'tua' is not an option of 'the mix'"),
        (
            "toml = 'x'\n[[source]]\nspec = 'a'",
            "'toml' is not an option of 'the mix'. Known: description, draw, filters, n, name, seed, tau.",
        ),
        ("[[source]]\ntake = 3", "has no spec"),
        ("[[source]]\nspec = 'a'\ntake = 3\nshare = 0.1", "has `take` and `share`"),
        ("[[source]]\nspec = 'a'\nshare = 0.1", "the mix has no n"),
        ("n = 10\n[[source]]\nspec = 'a'\ntake = 11", "take 11 examples, and n is 10"),
        ("n = 10\n[[source]]\nspec = 'a'\nshare = 0.9\n[[source]]\nspec = 'b'\nshare = 0.2", "1.1 together"),
        ("[[source]]\nspec = 'a'\n[[source]]\nspec = 'a'", "two sources are called 'a'"),
        ("filters = 'quality'\n[[source]]\nspec = 'a'", "expected a list of names and tables"),
        ("filters = [{shortest = 3}]\n[[source]]\nspec = 'a'", "expected a list of names and tables"),
    ],
)
def test_a_wrong_mix_is_a_sentence(text, said):
    with pytest.raises(LimaError) as e:
        mix_of(text, "m")
    assert said in str(e.value)


def test_wrong_names_have_advice(lima, examples):
    file = examples("a", 3)
    Path("m.toml").write_text('filters = ["near-duplicate"]\n' + entry(file))
    assert "near-duplicates" in lima("mix", "m.toml", "--out", "o.jsonl", code=1).err
    Path("m.toml").write_text(entry("wikihow:x", plugin="lima-wikihow"))
    assert "not installed: `pip install lima-wikihow`" in lima("mix", "m.toml", "--out", "o.jsonl", code=1).err
    assert "lima-table-1" in lima("mix", "lima-table1", "--out", "o.jsonl", code=1).err
    assert (
        "Did you mean 'wikihow'?" in lima("mix", "lima-table-1", "--path", "wikihw=x", "--out", "o.jsonl", code=1).err
    )
    Path("m.toml").write_text(entry(file) + entry(file, name="b"))
    assert "have the same examples" in lima("mix", "m.toml", "--out", "o.jsonl", code=1).err


def test_a_run_knows_the_mix_that_it_was_trained_on(lima, examples, tmp_path):
    from lima.testing import tiny_base

    tiny_base(tmp_path / "base")
    Path("m.toml").write_text(entry(examples("a", 4)))
    mix = lima("mix", "m.toml", "--out", "o.jsonl", "--json", "--base", "base").json
    settings = ["--renderer=plain", "--set=epochs=1", "--set=max_tokens=512"]
    run = lima("train", "--base", "base", "--source", "o.jsonl", "--out", "out", "--json", *settings).json["run"]
    assert lima("mixes", "show", mix["mix"], "--json").json["runs"] == [run]
    with Store(tmp_path / "user" / "lima.db") as store:
        assert store.rows("select hash from run_sources where run = ?", [run]) == [{"hash": mix["hash"]}]
    Path("o.jsonl").write_text(Path("o.jsonl").read_text().replace("xx", "xy", 1))
    changed = lima("train", "--base", "base", "--source", "dataset:o.jsonl", "--out", "out2", *settings)
    said = f"o.jsonl does not have the examples that `lima mix` wrote to it (mix {mix['mix']}): it was changed since"
    assert said in " ".join(changed.err.split())
    assert lima("mixes", "show", mix["mix"], "--json").json["runs"] == [run]
