"""Opening sources: who reads a bare file, options from the recipe, rows that cannot be used, and what is recorded of them."""

import json
from types import ModuleType

import pytest

import lima
from lima import Example, Ignored, LimaError, Recipe, Refused, hookimpl
from lima.data.dataset import prepare
from lima.data.sources import open_source
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune

pytestmark = pytest.mark.usefixtures("core_alone")


class Words:
    """A source of another plugin: rows with `word`, said once or, by its option, several times"""

    description, licence, options = "word", "CC0-1.0", ("times",)

    def __init__(self, times=1):
        self.times = times

    def with_options(self, values):
        return Words(values["times"])

    def recognises(self, row):
        return "word" in row  # raises for what has no `in`

    def examples(self, argument):
        yield from lima.records_of(argument, Ignored("lima-words"), self.example)

    def example(self, row):
        if not isinstance(row.value, dict) or "word" not in row.value:
            raise LimaError("expected a word.")
        return Example(id=f"{row.number}", prompt="Say it.", response=row.value["word"] * self.times)


def registering(**sources):
    """A plugin with these sources"""

    def register_sources(register):
        for name, source in sources.items():
            register(name, source)

    module = ModuleType("words")
    module.register_sources = hookimpl(register_sources)
    return module


@pytest.fixture
def plugins():
    with only_plugins(lima_words=registering(words=Words())) as loaded:
        yield loaded


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


PAIR = {"prompt": "Why?", "response": "So."}


def test_a_file_is_recognised_by_its_first_good_row(plugins, tmp_path):
    file = lines(tmp_path / "x.jsonl", "{broken", {"strange": 1}, {"word": "a"}, PAIR)
    with pytest.raises(LimaError, match="3 of 4 rows cannot be used"):
        open_source(str(file), plugins)
    source = open_source(str(file), plugins, {"lima-words": {"skip_bad": True}})
    assert (source.owner, [r.response for r in source.records], len(source.refused)) == ("lima-words", ["a"], 3)


def test_a_file_that_nobody_or_more_than_one_recognises(plugins, tmp_path):
    file = lines(tmp_path / "x.jsonl", {"text": "a", "n": 1, "list": [{"role": "user"}]})
    formats = f"\nRename its keys, or name the format as NAME:{file}. The formats and their keys:\n"
    formats += "  pairs: prompt and response; optional: weight\n  words: word"
    with pytest.raises(LimaError) as e:
        open_source(str(file), plugins)
    assert str(e.value) == (
        f"{file}: no source recognises its rows. That of line 1 is {{'text': text, 'n': a number, 'list': a list of objects with "
        f"'role'}}.{formats}"
    )
    file = lines(tmp_path / "x.jsonl", {**PAIR, "word": "a"})
    with pytest.raises(LimaError) as e:
        open_source(str(file), plugins)
    assert str(e.value) == (
        f"{file}: more than one source recognises its rows (pairs, words). That of line 1 is {{'prompt': text, 'response': text, "
        f"'word': text}}.{formats}"
    )


def test_a_source_that_fails_to_recognise_is_named_and_the_others_are_asked(plugins, tmp_path, caplog):
    file = tmp_path / "x.json"
    file.write_text(json.dumps([3, PAIR]))
    source = open_source(str(file), plugins, {"lima-tune": {"skip_bad": True}})
    assert (source.owner, len(source.records)) == ("lima-tune", 1)
    (warned, _) = caplog.messages
    assert warned.startswith("Plugin 'lima-words' failed in recognises() of the source 'words': TypeError: ")
    assert warned.endswith("The other sources were asked.")


def test_options_come_from_the_plugins_table(plugins, tmp_path):
    file = lines(tmp_path / "x.jsonl", {"word": "a"})

    def response(**table):
        return open_source(str(file), plugins, {"lima-words": table}).records[0].response

    assert (response(), response(times=3), response(times=2, skip_bad=False)) == ("a", "aaa", "aa")
    with pytest.raises(
        LimaError, match=r"^'tmes' is not an option of 'lima-words'. Did you mean 'times'\? Known: skip_bad, times.$"
    ):
        response(tmes=3)
    with pytest.raises(LimaError, match=r"^lima-words.skip_bad is 'yes'; expected true or false.$"):
        response(skip_bad="yes")


def test_keys_that_are_not_understood_and_how_to_leave_them_unread(plugins, tmp_path):
    file = lines(tmp_path / "x.jsonl", {**PAIR, "source": "web", "sistem": "Be kind.", "other": None})
    with pytest.raises(LimaError) as e:
        open_source(str(file), plugins)
    asked = (
        "the row has a key that is not understood: 'sistem'. To read the row without it: --set lima-tune.ignore=sistem"
    )
    assert str(e.value) == f"{file}, line 1: {asked}"
    assert open_source(str(file), plugins, {"lima-tune": {"ignore": "sistem"}}).records[0].prompt == "Why?"


def test_a_pair_keeps_its_id_and_licence(plugins, tmp_path):
    file = lines(
        tmp_path / "x.jsonl", {**PAIR, "id": 0, "license": "MIT"}, {**PAIR, "id": "", "licence": "CC0-1.0"}, PAIR
    )
    source = open_source(str(file), plugins)
    assert [(r.id, r.licence) for r in source.records] == [("0", "MIT"), ("x.jsonl:2", "CC0-1.0"), ("x.jsonl:3", "")]
    assert source.licence == "CC0-1.0, MIT"


BAD = ["{", {"prompt": "a"}, PAIR | {"id": "x"}, {"prompt": "b"}, PAIR | {"id": "x"}, {"prompt": " ", "response": "a"}]


def test_all_bad_rows_are_listed_with_a_count_by_reason(plugins, tmp_path):
    file = lines(tmp_path / "x.jsonl", *BAD, *[{"prompt": "c"}] * 30)
    with pytest.raises(LimaError) as e:
        open_source(f"pairs:{file}", plugins)
    text = str(e.value).replace(f"{file}, ", "")
    assert text.splitlines()[:4] == [
        f"pairs:{file}: 35 of 36 rows cannot be used (places: the first 20).",
        "   32 × expected text in 'response', found keys 'prompt'.",
        "      line 2",
        "      line 4",
    ]
    assert text.splitlines()[19:] == [
        "    1 × not JSON (Expecting property name enclosed in double quotes at column 2). One object a line is expected.",
        "      line 1",
        "    1 × its id 'x' is that of line 3 already. Correct it, or number the rows: --set lima-tune.ignore=id",
        "      line 5",
        "    1 × 'prompt' is empty. Write it, or leave the example out.",
        "      line 6",
        "Correct them, or leave them out: --skip-bad, or in the recipe plugins.lima-tune.skip_bad = true",
    ]


def test_bad_rows_that_are_skipped_are_counted_and_recorded(base, store, tmp_path, caplog):
    file = lines(tmp_path / "x.jsonl", *BAD)
    recipe = Recipe(
        base=str(base),
        sources=(f"pairs:{file}",),
        out=str(tmp_path / "out"),
        epochs=1,
        residual_dropout=0.0,
        plugins={"lima-tune": {"skip_bad": True}},
    )
    with only_plugins() as plugins:
        ready = prepare(recipe, plugins)
        assert [e["status"] for e in ready.examples] == ["kept", *["refused"] * 5]
        assert len(ready.records) == ready.sources[0]["examples"] == 1
        run = fine_tune(recipe, store)
    assert caplog.messages[0].startswith(
        f"pairs:{file}: 6 rows read = 1 kept + 5 refused (2 × expected text in 'response'"
    )
    rows = store.rows(
        "select example, status, reason, hash, tokens from run_examples where run = ? order by position", [run.id]
    )
    assert [(r["example"].rpartition(" ")[2], r["status"]) for r in rows[1:]] == [(n, "refused") for n in "12456"]
    assert rows[2] == {
        "example": f"{file}, line 2",
        "status": "refused",
        "reason": "expected text in 'response', found keys 'prompt'.",
        "hash": "",
        "tokens": 0,
    }
    assert store.run(run.id)["examples"] == 1
    assert store.run(run.id)["recipe"]["plugins"] == {"lima-tune": {"skip_bad": True}}


def test_rows_that_say_themselves_that_they_are_not_learnt_are_no_error(tmp_path, caplog):
    class Some(Words):
        def examples(self, argument):
            yield Refused("x, line 1", "it says so.", fault=False)
            yield Example(id="1", prompt="a", response="b")

    with only_plugins(lima_some=registering(some=Some())) as plugins:
        assert len(open_source("some", plugins).records) == 1
    assert caplog.messages == ["some: 2 rows read = 1 kept + 1 refused (1 × it says so)."]


def test_a_file_in_which_all_rows_are_bad_is_an_error_even_if_they_are_skipped(plugins, tmp_path):
    file = lines(tmp_path / "x.jsonl", {"prompt": "a"}, {"prompt": "b"})
    with pytest.raises(
        LimaError, match=r"has no examples. Refused: all 2. The first, .*x.jsonl, line 1: expected text in"
    ):
        open_source(f"pairs:{file}", plugins, {"lima-tune": {"skip_bad": True}})


@pytest.mark.parametrize("command", ["train", "plan", "preview", "sources"])
def test_every_command_says_what_was_read(command, base, tmp_path, capfd, caplog):
    from lima.cli import main

    file = lines(tmp_path / "x.jsonl", *BAD)
    arguments = ["sources", "show", file] if command == "sources" else [command, "--base", base, "--source", file]
    if command == "train":
        arguments += ["--dry-run"]
    for skip in ([], ["--skip-bad"]):
        with only_plugins(), pytest.raises(SystemExit) as ended:
            main([*map(str, [*arguments, *skip, "--json"])])
        out, err = capfd.readouterr()
        assert ended.value.code == (0 if skip else 1)
        assert ("5 of 6 rows cannot be used." in err) == (not skip)
        assert (f"{file}: 6 rows read = 1 kept + 5 refused" in caplog.text) == bool(skip)
    found = json.loads(out)
    row = found["sources"][0] if command == "plan" else found[0] if isinstance(found, list) else found
    if command != "preview":
        assert (row["examples"], row["refused"]) == (1, 5)


def test_joining_turns_needs_a_source_that_can(base, pairs, capfd):
    from lima.cli import main

    with only_plugins(), pytest.raises(SystemExit):
        main(["train", "--base", str(base), "--source", str(pairs), "--merge-turns", "--dry-run"])
    assert "Error: --merge-turns: no installed plugin has a source that can join turns." in capfd.readouterr().err


def test_dev_prompts_are_graded_by_the_rows_that_were_read(base, pairs, tmp_path):
    """The source is opened again for grading, with the same options"""
    from lima.record.selection import _records

    dev = lines(tmp_path / "dev.jsonl", {"prompt": "Who?", "response": "I.", "odd": 1})
    table = {"lima-tune": {"ignore": "odd"}}
    recipe = Recipe(base=str(base), sources=(str(pairs),), dev=(str(dev),), keep_epochs=True, epochs=1, plugins=table)
    recipe = recipe.with_values({"out": str(tmp_path / "out"), "residual_dropout": 0.0})
    with only_plugins() as plugins, Store(tmp_path / "l.db") as store:
        run = fine_tune(recipe, store)
        assert [r.prompt for r in _records(store, run.id, plugins)] == ["Who?"]


class Many:
    """A source that names the first of what it refuses and counts the others; it reads no files"""

    description, licence = "many", "CC0-1.0"

    def examples(self, argument):
        yield Example(id="a", source="many", prompt="Why?", response="So.")
        yield Refused("place 1", "it is too short.", fault=argument == "wrong")
        yield Refused("9,999 further places", "it is too short.", argument == "wrong", rows=9_999)


@pytest.mark.parametrize("command", ["plan", "sources"])
def test_rows_that_are_only_counted_are_counted(command, base, capfd, caplog):
    from lima.cli import main

    arguments = ["sources", "show"] if command == "sources" else [command, "--base", str(base), "--source"]
    for spec, skip, code in (("many", [], 0), ("many:wrong", [], 1), ("many:wrong", ["--skip-bad"], 0)):
        with only_plugins(lima_many=registering(many=Many())), pytest.raises(SystemExit) as ended:
            main([*arguments, spec, *skip, "--json"])
        out, err = capfd.readouterr()
        assert ended.value.code == code, err
        if code:
            assert f"{spec}: 10,000 of 10,001 rows cannot be used." in err
            assert "10,000 × it is too short." in err
            continue
        found = json.loads(out)
        row = found["sources"][0] if command == "plan" else found
        assert (row["examples"], row["refused"]) == (1, 10_000)
        assert f"{spec}: 10,001 rows read = 1 kept + 10,000 refused (10,000 × it is too short)." in caplog.text


def test_what_a_run_left_out_is_shown_with_its_reasons(base, tmp_path, lima_command):
    rows = [{"prompt": f"Why {n}?", "response": "" if n % 2 else "So."} for n in range(26)]
    file, database = tmp_path / "some.jsonl", ["-d", tmp_path / "l.db"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    about = ["--source", file, "--out", tmp_path / "out", "--set", "epochs=1", "--skip-bad", "--json"]
    run = lima_command("train", "--base", base, *about, *database).json["run"]
    shown = lima_command("runs", "show", run, *database, "--json").json["left_out"]
    assert [one["example"] for one in shown] == [f"{file}, line {n}" for n in range(2, 27, 2)]
    text = lima_command("runs", "show", run, *database).out
    assert f"{file}, line 20 refused: {shown[9]['reason']}" in text
    assert "line 22 refused" not in text
    assert "3 more; --json has all" in text
