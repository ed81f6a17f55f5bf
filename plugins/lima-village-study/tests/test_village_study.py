"""The study: real workers and real fine-tunes on a few examples; killed and resumed; and what it says of known numbers."""

import html
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from pkgutil import resolve_name
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima.store import Store
from lima_village.arm import CONVERSATIONS, GREEDY, Arm
from lima_village.experiment import RECIPE
from lima_village.ledger import Ledger
from lima_village.worker import Holding, Job, work
from lima_village.world import BY_NAME, village
from lima_village_study.arms import ARMS, VALIDATION, chosen
from lima_village_study.commands import study
from lima_village_study.drawing import draw
from lima_village_study.findings import as_dict, findings
from lima_village_study.perplexity import MEASURE, OTHER, TRAINED, _conversations, perplexity
from lima_village_study.study import Study, find_study
from lima_village_study.study_page import render, write_page

SMALL = Path(__file__).with_name("study_in_small.py")


COMMAND = [sys.executable, str(SMALL)]


def rows(database, sql):
    if not database.is_file():
        return []
    with Store(database) as store:
        return store.rows(sql)


def results(database):
    return rows(database, "select * from village_study_results order by arm, seed, evaluation")


def by_key(found):
    return {(r["arm"], r["seed"], r["evaluation"]): (r["run"], r["dialogue_run"]) for r in found}


# The table of arms


def test_arms_have_names_of_their_own_and_sources_that_exist():
    from lima.plugins import load_plugins

    names = [arm.name for arm in ARMS]
    assert len(names) == len(set(names))
    registry = load_plugins().registry
    for arm in ARMS:
        assert bool(arm.sources) != bool(arm.model), arm.name
        for source in arm.sources:
            assert source.partition(":")[0] in registry("sources")
        assert not arm.model or arm.model in registry("models")


def test_every_arm_is_a_recipe():
    from lima.recipe import Recipe

    for job in Study.new(Path("x.db"), ARMS, sets=VALIDATION).jobs():
        if job.recipe:
            assert Recipe().with_values({**job.recipe, "seed": job.seed, "out": job.folder}).sources


def test_the_longest_jobs_come_first_and_none_is_held_with_a_test_while_tuning():
    jobs = Study.new(Path("x.db"), ARMS, sets=VALIDATION).jobs()
    seconds = {arm.name: arm.seconds for arm in ARMS}
    assert len(jobs) == sum(arm.seeds for arm in ARMS)
    assert [seconds[job.arm] for job in jobs] == sorted((seconds[job.arm] for job in jobs), reverse=True)
    held = {holding.evaluation for job in jobs for holding in job.holdings if not holding.measure}
    assert held == {"village-validation", "village-prompts-validation"}


def test_the_sizes_take_the_same_number_of_steps():
    import tomllib

    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    sizes = [arm for arm in ARMS if arm.name.startswith("forms-")]
    steps = {
        -(-int(arm.sources[0].rpartition(":")[2]) // recipe["batch_size"]) * arm.changes["epochs"] for arm in sizes
    }
    assert len(sizes) >= 5
    assert len(steps) == 1


def test_an_unknown_arm_lists_the_known_ones():
    result = CliRunner().invoke(study, ["befor"])
    assert isinstance(result.exception, LimaError)
    message = str(result.exception)
    assert "'befor' is no arm of the study. Did you mean 'before'? Known: " in message
    assert all(arm.name in message for arm in ARMS)
    assert [arm.name for arm in chosen(["after", "before"])] == ["before", "after"]


def test_the_arms_are_listed():
    from lima.plugins import load_plugins

    listed = json.loads(CliRunner().invoke(study, ["--list", "--json"]).output)
    assert [row["arm"] for row in listed] == [arm.name for arm in ARMS]
    held = {row["arm"]: row["held"] for row in listed}
    assert {arm: held[arm] for arm in ("before", "dialogues-3", "random", "epochs", "in-context")} == {
        "before": "village-more, village, village-prompts",
        "dialogues-3": "village-more",
        "random": "village-prompts",
        "epochs": "village-validation",
        "in-context": "village-more, village-prompts",
    }
    evaluations = load_plugins().registry("evaluations")
    assert all(name in evaluations for names in held.values() for name in names.split(", "))


def test_the_command_is_one_of_the_village_and_says_so_where_that_is_missing():
    import click

    import lima_village
    import lima_village_study
    from lima.testing import only_plugins

    cli = click.Group()
    with only_plugins(lima_village=lima_village, lima_village_study=lima_village_study) as plugins:
        plugins.add_commands(cli)
        assert plugins.broken == []
    assert cli.commands["village"].commands["study"] is study
    with only_plugins(lima_village_study=lima_village_study) as plugins:
        plugins.add_commands(click.Group())
        (broken,) = plugins.broken
    assert "`lima village study` belongs to `lima village`, which is not there. Install lima-village" in broken.error


# Running, killing, resuming


@pytest.mark.slow
def test_killed_and_resumed_it_runs_only_what_is_missing(tmp_path, monkeypatch):
    database = tmp_path / "lima.db"
    with subprocess.Popen([*COMMAND, "-d", str(database)], stderr=subprocess.DEVNULL) as first:
        deadline = time.monotonic() + 300
        while len(results(database)) < 3:
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        workers = subprocess.run(["ps", "-o", "pid=", "--ppid", str(first.pid)], capture_output=True, text=True)
        for pid in (first.pid, *map(int, workers.stdout.split())):
            os.kill(pid, signal.SIGKILL)
    before = results(database)
    assert 3 <= len(before) < 8

    command = [*COMMAND, "--resume", "-d", str(database), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    after = results(database)
    assert by_key(before).items() <= by_key(after).items()
    assert len(after) == 8
    finished = rows(database, "select count(*) as n, count(distinct folder) as folders from runs where status = 'done'")
    assert finished == [{"n": 4, "folders": 4}]
    assert rows(database, "select count(*) as n from dialogue_runs where status = 'done'") == [{"n": 4}]
    printed = json.loads(done.stdout)
    assert [finding["finding"] for finding in printed["findings"]] == ["diversity"]
    assert Path(printed["report"]).is_file()

    runpy.run_path(str(SMALL))["shrink"](monkeypatch.setattr)
    monkeypatch.setattr("lima_village.workers.subprocess.Popen", None)  # nothing is left, so nobody is needed
    result = CliRunner().invoke(study, ["--resume", "-d", str(database)])
    assert result.exit_code == 0, result.exception
    assert results(database) == after


def test_interrupt_names_the_study_to_go_on_with(tmp_path, monkeypatch):
    runpy.run_path(str(SMALL))["shrink"](monkeypatch.setattr)

    def interrupted(work):
        def on_event(arm, event):
            if event["event"] == "trained":
                raise KeyboardInterrupt

        work.run(on_event)

    monkeypatch.setattr("lima_village.bars.run_with_bars", interrupted)
    database = tmp_path / "lima.db"
    result = CliRunner().invoke(study, ["-d", str(database)])
    assert result.exit_code == 130
    with Store(database) as store:
        row = find_study(store, "newest")
    assert row["status"] == "interrupted"
    assert f"Go on with `lima village study --resume {row['id']} -d {database}`." in result.stderr


def test_behind_a_link_a_job_goes_on_with_its_fine_tune(tmp_path, monkeypatch):
    runpy.run_path(str(SMALL))["shrink"](monkeypatch.setattr)
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to("real")
    behind = Study.new(link / "lima.db", chosen(["random"]))
    with Store(behind.database) as store:
        Ledger(store, behind.id).begin(behind.folder, behind.settings())
    job = replace(behind.jobs()[0], holdings=[])
    assert job.folder == str(real / behind.id / "random-seed0")

    def until_trained(event, **_):
        if event == "trained":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(job, until_trained)
    work(job, lambda event, **_: None)
    assert rows(real / "lima.db", "select folder, status from runs") == [{"folder": job.folder, "status": "done"}]


def test_the_default_database_is_known_by_its_real_path(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr("lima_village.bars.run_with_bars", ran.append)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "link"))
    CliRunner().invoke(study, ["before"])
    assert [work.database for work in ran] == [tmp_path / "real" / "lima.db"]


@pytest.fixture
def begun(tmp_path):
    """A study that has begun and done nothing"""
    work = Study.new(tmp_path / "lima.db", chosen(["before", "after"]), sets=VALIDATION)
    with Store(work.database) as store:
        Ledger(store, work.id).begin(work.folder, work.settings())
    return work


def test_a_study_goes_on_with_what_it_was_begun_with(begun):
    assert Study.resumed(begun.database, "newest") == begun
    more = Study.resumed(begun.database, begun.id[:12], ["in-context"])
    assert [arm.name for arm in more.arms] == ["before", "after", "in-context"]


def test_an_evaluation_of_what_is_not_trained_goes_on_too(begun):
    holding = Holding("village", [0], {**GREEDY, "max_new_tokens": 2})
    place = {"database": str(begun.database), "folder": str(begun.folder / "in-context-seed0")}
    job = Job(begun.id, "in-context", 0, **place, recipe={}, model="village-in-context", holdings=[holding])
    sql = "select id, status, model from dialogue_runs"

    def until_asked(event, **_):
        if event == "talking":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(job, until_asked)
    (held,) = rows(begun.database, sql)
    assert held == {"id": held["id"], "status": "interrupted", "model": "village-in-context:3"}
    work(job, lambda event, **_: None)
    assert rows(begun.database, sql) == [{**held, "status": "done"}]
    # Killed when all was answered and nothing said so yet.
    with Store(begun.database) as store, store.write() as db:
        db.execute("update dialogue_runs set status = 'running'")
    work(job, lambda event, **_: None)
    assert rows(begun.database, sql) == [{**held, "status": "done"}]


def test_another_version_of_the_settings_is_refused(begun, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.read_text(encoding="utf-8").replace("epochs = ", "epochs = 1"), encoding="utf-8")
    with pytest.raises(LimaError, match="other settings: recipe 'epochs' has changed since. Begin a new one"):
        Study.resumed(begun.database, "newest", recipe=recipe)


def test_the_report_is_drawn_again_without_training_whatever_has_changed_since(begun, monkeypatch):
    with Store(begun.database) as store:
        settings = find_study(store, "newest")["settings"]
        settings["versions"]["torch"] = "0.0.1+older"
        settings["arms"]["gone"] = {**settings["arms"].pop("after"), "name": "gone"}
        Ledger(store, begun.id).begin(begun.folder, settings)
    for needed in ("lima_village.bars.run_with_bars", "lima_village.base_model.verified"):
        monkeypatch.setattr(needed, None)
    result = CliRunner().invoke(study, ["--redraw", "-d", str(begun.database)])
    assert result.exit_code == 0, result.exception
    page = begun.database.with_name(f"{begun.id}.html")
    assert "torch 0.0.1+older" in page.read_text(encoding="utf-8")
    assert "<b>gone</b>" in page.read_text(encoding="utf-8")
    assert not begun.folder.exists()
    refused = CliRunner().invoke(study, ["--redraw", begun.id, "before", "-d", str(begun.database)])
    assert "give neither ARM nor --resume" in refused.output


def test_an_arm_after_resume_is_an_arm(begun, monkeypatch):
    ran = []
    monkeypatch.setattr("lima_village.bars.run_with_bars", ran.append)
    for arguments in (["--resume", "in-context"], ["in-context", "--resume"]):
        result = CliRunner().invoke(study, [*arguments, "-d", str(begun.database)])
        assert result.exit_code == 0, result.exception
    assert [[arm.name for arm in work.arms] for work in ran] == [["before", "after", "in-context"]] * 2
    assert {work.id for work in ran} == {begun.id}


def test_where_the_report_cannot_be_written_is_said_before_anything_runs(begun, monkeypatch, tmp_path):
    monkeypatch.setattr("lima_village.bars.run_with_bars", None)
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    for place, said in (
        (mine, "is no report of lima's"),
        (tmp_path / "mine.html" / "x.html", "Cannot write the report"),
    ):
        result = CliRunner().invoke(study, ["before", "-d", str(begun.database), "--report", str(place)])
        assert said in str(result.exception)
    assert mine.read_text() == "mine"


def test_a_report_that_fails_in_the_end_names_the_way_to_draw_it(begun, monkeypatch):
    def full(*_):
        raise LimaError("Cannot write the report x.html: No space left on device.")

    monkeypatch.setattr("lima_village_study.study_page.write_page", full)
    result = CliRunner().invoke(study, ["--redraw", "-d", str(begun.database)])
    assert f"lima village study --redraw {begun.id} -d {begun.database} --report FILE" in str(result.exception)


def test_a_file_that_is_no_database_leaves_no_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but some text that is longer than its header would be" * 20)
    for place in (tmp_path / "notes.txt", Path("/proc/nope/x.db")):
        result = CliRunner().invoke(study, ["before", "-d", str(place)])
        assert "Cannot use the database" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_is_a_sentence(begun):
    begun.folder.write_text("in the way")
    with pytest.raises(LimaError, match="Cannot make .*study-.*Choose another --database"):
        begun.run(lambda arm, event: None)


def test_unknown_studies_are_sentences(begun, tmp_path):
    with pytest.raises(LimaError, match="There is no study 'other'.*Known: study-"):
        Study.resumed(begun.database, "other")
    result = CliRunner().invoke(study, ["--resume", "-d", str(tmp_path / "none.db")])
    assert "There is no database" in str(result.exception)


def test_two_processes_do_not_work_on_one_study(begun):
    from filelock import FileLock

    begun.folder.mkdir()
    with FileLock(begun.folder / ".lock"), pytest.raises(LimaError, match="Another process is working on study-"):
        begun.run(lambda arm, event: None)


def test_a_fine_tune_whose_folder_is_gone_is_not_done(begun):
    job = begun.jobs()[0]
    with Store(begun.database) as store:
        ledger = Ledger(store, begun.id)
        with store.write() as db:
            db["runs"].insert({"id": "r", "folder": job.folder, "status": "done", "created": "2026"})
        assert ledger.run_of(job.folder) is None
        Path(job.folder).mkdir(parents=True)
        (Path(job.folder) / "config.json").write_text("{}")
        assert ledger.run_of(job.folder)["id"] == "r"


# What it says


class Knows:
    """Answers from the facts as far as it is told to"""

    name = "knows"

    def __init__(self, knows):
        from lima_village.registered import PerfectModel

        self.perfect, self.knows = PerfectModel(), knows

    def reply(self, prompts, settings, seed, on_progress=None):
        answers = self.perfect.reply(prompts, settings, seed)
        return [
            a if self.knows(p) else replace(a, text="I do not know.") for p, a in zip(prompts, answers, strict=True)
        ]


MODELS = {
    "before": lambda prompt: len(prompt) == 1,
    "more-singles": lambda prompt: len(prompt) == 1,
    "unrelated": lambda prompt: len(prompt) == 1,
    "after": lambda prompt: True,
    "in-context": lambda prompt: True,
}
HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A study whose arms are held with models that know the facts, or only those of the first turn"""
    from lima.generate import Sampling
    from lima_dialogue_eval import run_evaluation

    database = tmp_path_factory.mktemp("told") / "lima.db"
    arms = [replace(arm, text=HOSTILE, seeds=1) for arm in chosen(list(MODELS))]
    work = Study.new(database, arms, sets=VALIDATION)
    with Store(database) as store:
        ledger = Ledger(store, work.id)
        ledger.begin(work.folder, work.settings())
        for name, knows in MODELS.items():
            held = run_evaluation(
                store, "village-validation", Knows(knows), arm=name, seeds=[0], sampling=Sampling(**GREEDY)
            )
            ledger.note(name, 0, "village-validation", 0, None, held)
        yield work, store, {finding.key: finding for finding in findings(store, work)}


def test_findings_follow_from_the_numbers(told):
    _, store, found = told
    assert list(found) == ["dialogues", "controls", "turns", "draws", "in-context"]
    by_replies, by_conversations = found["dialogues"].tables
    share = "100.0 * avg(turn = 1) as share from village_study_replies where arm = 'before'"
    (whole,) = store.rows(f"select {share}")
    (row,) = store.rows(f"select avg(share) as share from (select {share} group by conversation)")
    assert by_replies.rows[0][1] == f"{whole['share']:.1f}\u00a0%"
    assert by_replies.rows[1][1:3] == ("100.0\u00a0%", "0.0\u00a0%")
    assert by_replies.rows[2][1:] == ("45.2\u00a0%", "19.0\u00a0%", "35.7\u00a0%", "42")
    assert by_conversations.rows[0][1].startswith(f"{row['share']:.1f}\u00a0% [")
    assert by_conversations.rows[0][2] == "100.0\u00a0% [98.0,\u00a0100.0]"
    assert found["dialogues"].sentence.endswith("This agrees with the paper.")
    assert "neither control shows the gain" in found["controls"].sentence
    assert found["controls"].agrees is True
    assert "The first answers change by 0.0 points of excellent (all 150 alike)" in found["turns"].sentence
    assert "no kind is below 80 % excellent" in found["turns"].sentence
    assert found["draws"].tables[0].rows[0] == ("the mean grade rises", "100.0 %")
    assert found["in-context"].sentence.endswith("This decides neither way.")


def test_findings_also_disagree(told):
    work, store, _ = told
    turned = Ledger(store, "turned")
    turned.begin(work.folder, work.settings())
    swap = {"before": "after", "after": "before", "more-singles": "after", "unrelated": "before"}
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    for arm, other in swap.items():
        turned.note(arm, 0, "village-validation", 0, None, runs[other])
    found = {f.key: f for f in findings(store, replace(work, id="turned"))}
    assert {key: found[key].agrees for key in ("dialogues", "controls", "draws")} == {
        "dialogues": False,
        "controls": False,
        "draws": False,
    }
    assert found["dialogues"].sentence.endswith("This does not agree with the paper.")


def test_the_figure_shows_what_the_demo_prints(told):
    from lima_dialogue_eval import compare

    work, store, found = told
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    comparison = compare(store, runs["before"], runs["after"])
    (panel,) = found["dialogues"].panels
    for place, side in enumerate((comparison.before, comparison.after)):
        drawn = [series.points[place].y for series in panel.series]
        assert drawn == pytest.approx([100 * n / side.turns for n in (side.excellent, side.passed, side.fail)])


def test_arms_with_fewer_seeds_are_told_apart(told):
    work, store, _ = told
    ledger = Ledger(store, "seeds")
    ledger.begin(work.folder, work.settings())
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    for arm, other, seeds in (("before", "before", 3), ("dialogues-3", "after", 2), ("after", "after", 3)):
        for seed in range(seeds):
            ledger.note(arm, seed, "village-validation", 0, None, runs[other])
    (number,) = [f for f in findings(store, replace(work, id="seeds")) if f.key == "number"]
    assert re.search(
        r"n = 150 conversations; [\d,]+ replies, 3 seeds \(0, 30\); [\d,]+ replies, 2 seeds \(3\);", number.method
    )
    assert "There is one draw of the dialogues" in number.method
    assert number.tables[0].head[3:5] == ("against the number before", "fine-tunes redrawn")
    assert number.tables[0].rows[1][4].startswith("[+")
    assert number.agrees is True


def test_fine_tunes_that_differ_leave_the_effect_undecided(told):
    """However small the p over conversations, one of two fine-tunes may have learnt nothing"""
    work, store, _ = told
    ledger = Ledger(store, "differ")
    ledger.begin(work.folder, work.settings())
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    for arm, seed, held in (
        ("before", 0, "before"),
        ("before", 1, "before"),
        ("after", 0, "after"),
        ("after", 1, "before"),
    ):
        ledger.note(arm, seed, "village-validation", 0, None, runs[held])
    (finding,) = [f for f in findings(store, replace(work, id="differ")) if f.key == "dialogues"]
    assert re.search(
        r"and the mean grade by \+\S+ \[\+[^]]+\], fine-tunes redrawn \[0\.00,\s\+[^]]+\] \(sign-flip p < \.0001\)\.",
        finding.sentence,
    )
    assert finding.sentence.endswith("This decides neither way.")
    assert finding.rule == (
        "Agrees when, on every set of conversations, the mean grade rises and fails fall; disagrees when, on one of them, the "
        "mean grade falls, or rises while fails do not fall. For it to rise or fall the sign-flip p must be below .05, and the "
        "95 % interval of its change, the one with the fine-tunes redrawn where there is one, wholly above or below zero."
    )


class Fails(Knows):
    """Has no line where it is asked to go on with what somebody else was told"""

    def __init__(self, knows, first):
        super().__init__(knows)
        self.first = first

    def reply(self, prompts, settings, seed, on_progress=None):
        if any(len(prompt) > 1 and prompt[0].content == self.first for prompt in prompts):
            raise ConnectionError("the line is dead")
        return super().reply(prompts, settings, seed)


def test_a_conversation_with_an_error_in_one_arm_leaves_all(told):
    from lima.generate import Sampling
    from lima.plugins import load_plugins
    from lima_dialogue_eval import compare, run_evaluation

    work, store, whole = told
    script = list(load_plugins().registry("evaluations").find("village-validation").conversations())
    openings = [conversation.turns[0].user for conversation in script]
    one = next(conversation for conversation in script if openings.count(conversation.turns[0].user) == 1)
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    model = Fails(MODELS["after"], one.turns[0].user)
    runs["after"] = run_evaluation(
        store, "village-validation", model, arm="after", seeds=[0], sampling=Sampling(**GREEDY)
    )
    ledger = Ledger(store, "failed")
    ledger.begin(work.folder, work.settings())
    for arm, held in runs.items():
        ledger.note(arm, 0, "village-validation", 0, None, held)
    found = {f.key: f for f in findings(store, replace(work, id="failed"))}
    comparison = compare(store, runs["before"], runs["after"])
    assert [row["conversation"] for row in comparison.left_out] == [one.id]
    left = "149 held-out conversations (1 left out of every arm: a reply has no grade)"
    assert left in found["dialogues"].sentence
    tallies = (comparison.before, comparison.after)
    assert [row[4] for row in found["dialogues"].tables[0].rows[:2]] == [f"{side.turns:,}" for side in tallies]
    method = f"n = 149 conversations (1 left out of every arm: a reply has no grade); {comparison.after.turns:,} replies, 1 seed"
    for key in ("dialogues", "controls", "turns", "draws", "in-context"):
        assert f"{method} an arm" in found[key].method
        assert "left out" not in whole[key].method + whole[key].sentence


class Tags(HTMLParser):
    """Fails where an element is not closed in its turn"""

    EMPTY = ("meta", "path", "use", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag, self.getpos()


def test_the_page_is_whole_and_escapes_everything(told, tmp_path):
    work, store, found = told
    page = write_page(store, work, list(found.values()), tmp_path / "new" / "page.html")
    assert write_page(store, work, list(found.values()), page) == page
    text = page.read_text(encoding="utf-8")
    for finding in found.values():
        assert finding.sentence in html.unescape(text)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in text
    assert "\u202e" not in text
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', text)) <= set(ids)
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    figures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(figures) == len(found)
    for figure in figures:
        assert ElementTree.fromstring(figure).get("viewBox")
        assert not re.search(r"#0a0a[0-9a-f]{2}|DejaVu", figure)
    assert text.count('role="img"') == len(found)


def test_the_same_numbers_draw_the_same_page(told):
    work, store, found = told
    assert render(store, work, list(found.values())) == render(store, work, list(found.values()))


def test_quantity_is_a_plateau_only_within_the_margin(tmp_path):
    from lima.generate import Sampling
    from lima_dialogue_eval import run_evaluation

    arms = chosen(["forms-256", "forms-4096"])
    work = Study.new(tmp_path / "lima.db", arms, sets=VALIDATION)
    with Store(work.database) as store:
        ledger = Ledger(store, work.id)
        ledger.begin(work.folder, work.settings())
        held = {
            name: run_evaluation(
                store,
                "village-prompts-validation",
                Knows(lambda prompt, n=name: n == "all" or "List" not in prompt[0].content),
                arm=name,
                seeds=[0],
                sampling=Sampling(**GREEDY),
            )
            for name in ("all", "some")
        }
        said = {}
        for small in ("some", "all"):
            ledger.note("forms-256", 0, "village-prompts-validation", 0, None, held[small])
            ledger.note("forms-4096", 0, "village-prompts-validation", 0, None, held["all"])
            (finding,) = findings(store, work)
            said[small] = finding.agrees
    assert said == {"some": False, "all": True}


RISES, FALLS = (1.9, 1.2, 2.4), (2.4, 1.9, 1.2)


@pytest.mark.parametrize(
    ("trained", "other", "agrees"),
    [(RISES, RISES, True), (FALLS, FALLS, False), (FALLS, RISES, None), (RISES, FALLS, None)],
)
def test_perplexity_against_quality_is_judged_in_both_wordings(tmp_path, trained, other, agrees):
    from lima.generate import Sampling
    from lima_dialogue_eval import run_evaluation

    work = Study.new(tmp_path / "lima.db", chosen(["epochs"]), sets=VALIDATION)
    with Store(work.database) as store:
        ledger = Ledger(store, work.id)
        ledger.begin(work.folder, work.settings())
        for epoch, knows in enumerate((MODELS["before"], MODELS["before"], MODELS["after"]), 1):
            held = run_evaluation(
                store, "village-validation", Knows(knows), arm="epochs", seeds=[0], sampling=Sampling(**GREEDY)
            )
            ledger.note("epochs", 0, "village-validation", epoch, None, held)
            ledger.note("epochs", 0, TRAINED, epoch, value=trained[epoch - 1])
            ledger.note("epochs", 0, OTHER, epoch, value=other[epoch - 1])
        (finding,) = findings(store, work)
    assert finding.agrees is agrees
    for name, values in (("in the wording that is trained", trained), ("in other words", other)):
        said = (
            "lowest after epoch 2, 1.20, and 2.00 times that after epoch 3, 2.40"
            if values is RISES
            else "lowest after the last epoch, 1.200"
        )
        assert f"Right answers {name}: perplexity is {said}" in finding.sentence
    assert "was added after the first had been looked at" in finding.method
    _, first, second, *_ = finding.panels
    assert [len(panel.series) for panel in (first, second)] == [1, 1]
    assert (first.log, second.log) == (True, False)
    figure = draw(finding)
    assert figure.count("perplexity, other words") == 1


@pytest.mark.parametrize(("lists", "cards", "agrees"), [(True, True, True), (False, False, False), (True, False, None)])
def test_six_examples_are_tested_with_the_structure_that_they_do_not_show(tmp_path, lists, cards, agrees):
    from lima.generate import Sampling
    from lima_dialogue_eval import run_evaluation

    def form(prompt):
        return prompt[0].content.partition(" ")[0]

    knows = {
        "before": lambda prompt: form(prompt) not in ("List", "Card"),
        "six-lists": lambda prompt: form(prompt) != "Card" or lists,
        "six-cards": lambda prompt: form(prompt) != "List" or cards,
    }
    work = Study.new(tmp_path / "lima.db", chosen(list(knows)), sets=VALIDATION)
    with Store(work.database) as store:
        ledger = Ledger(store, work.id)
        ledger.begin(work.folder, work.settings())
        for name, known in knows.items():
            # One request must differ from the others, or there is no interval.
            slips = lambda prompt, known=known: known(prompt) and "Otto" not in prompt[0].content  # noqa: E731
            model = Knows(slips)
            sampling = Sampling(**GREEDY)
            held = run_evaluation(store, "village-prompts-validation", model, arm=name, seeds=[0], sampling=sampling)
            ledger.note(name, 0, "village-prompts-validation", 0, None, held)
        (finding,) = [one for one in findings(store, work) if one.key == "formats"]
    assert finding.agrees is agrees
    assert [row["excellent"] for row in as_dict(finding)["tables"][0]] == [
        "cards after six lists",
        "lists after six lists",
        "lists after six cards",
        "cards after six cards",
    ]


def test_of_the_paper_s_plateau_only_the_printed_number_is_drawn():
    from lima_village_study.ablations import PAPER_QUANTITY

    (series,) = PAPER_QUANTITY.series
    (point,) = series.points
    assert (point.x, point.y) == (0, 3.83)
    assert "no number is printed" in point.name


def test_perplexity_is_of_the_same_answers_in_the_trained_and_in_other_words():
    from lima.generate import CheckpointModel
    from lima.plugins import load_plugins
    from lima_village.base_model import verified

    renderer = load_plugins().registry("renderers").find("lima")
    model = CheckpointModel(verified(), renderer, device="cpu")
    told = {text: [one.turns for one in _conversations(text == OTHER)] for text in (TRAINED, OTHER)}
    pairs = [pair for both in zip(*told.values(), strict=True) for pair in zip(*both, strict=True)]
    assert all(one == other for one, other in pairs if one.role == "user")
    answers = [(one.content, other.content) for one, other in pairs if one.role == "assistant"]
    facts = {sentence: fact for fact in village().facts() for sentence in statements(fact)}
    for trained, other in answers:
        meant = [[facts.get(part, part) for part in re.split(r"(?<=\.) ", text)] for text in (trained, other)]
        assert meant[0] == meant[1]
    assert sum(trained != other for trained, other in answers) > len(answers) / 2
    found = {text: perplexity(model, text) for text in told}
    assert found == pytest.approx({text: _by_transformers(model, told[text]) for text in told}, rel=1e-4)
    assert resolve_name(MEASURE) is perplexity


def statements(fact):
    return {village().state(fact, n) for n in range(len(BY_NAME[fact.attribute].statements))}


def _by_transformers(model, conversations):
    """exp of the mean loss of the answers and their EOTs, by the causal LM's own loss, a conversation at a time"""
    import torch

    eot = model.tokenizer.convert_tokens_to_ids(model.eot)
    total, count = 0.0, 0
    for turns in conversations:
        ids, labels = [], []
        for turn in turns:
            more = [*model.tokenizer(turn.content)["input_ids"], eot]
            ids += more
            labels += more if turn.role == "assistant" else [-100] * len(more)
        tokens = sum(label != -100 for label in labels)
        with torch.inference_mode():
            loss = model.model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        total, count = total + float(loss) * tokens, count + tokens
    return torch.tensor(total / count).exp().item()


def test_settings_do_not_depend_on_prose():
    arm = Arm(name="a", text="one", sources=("x",), held=(CONVERSATIONS,), seconds=1)
    work = Study.new(Path("x.db"), [arm], sets=VALIDATION)
    assert work.settings() == replace(work, arms=(replace(arm, text="two", seconds=9),)).settings()
