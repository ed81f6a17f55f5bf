"""`lima curate` in a pseudo-terminal and as commands: the same edits by keys, saved at once, exported; and what is refused."""

import json
import sys

import pytest
from curated_pages import Curating, rows_file
from desks import PLUGINS, chain, curated, do
from pseudo_terminal import terminal

from lima import Store
from lima.testing import only_plugins
from lima_curate.desk.record.person import Desk

CHAIN = (
    "Why is the sky blue?",
    "Air scatters\x1b[31m blue light.",
    "Also at night? And at dusk?",
    "Less light reaches us.",
)
EDITOR = "import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t.rstrip('\\n') + ' Written.\\n')"


@pytest.mark.slow
def test_a_chain_is_edited_in_the_terminal_and_exported(tmp_path, lima_home):
    file, script = rows_file(tmp_path, CHAIN, ("One?", "Two.")), tmp_path / "editor.py"
    script.write_text(EDITOR)
    own = {"command": ("curate",), "plugins": Curating.plugins, "EDITOR": f"{sys.executable} {script}"}
    with only_plugins(**PLUGINS), Store(tmp_path / "l.db") as store:
        with terminal(store, str(file), "--people", "ana", **own) as t:
            shown = t.until("turn 1 of 4: [a r w s e ?] ")
            assert "0 of 2 decided" in shown
            assert ("\x1b[31m" in shown, "⟨U+001B⟩[31m blue" in shown) == (False, True)
            for keys, says in (
                ("z", "This key does nothing here"),
                ("3x", "The second part begins with"),
                ("And\n", "Turn 4 is the user's where the assistant's was expected"),
                ("a", "It cannot be accepted yet"),
                ("4d", "turn 4 of 4:"),
                ("e", "Less light reaches us. Written."),
                ("u", "Undone: text rewritten (turn 4)."),
                ("i", "5 user, 1 words, edited"),
                ("d", "turn 4 of 4:"),
                ("2m", "turn 2 of 3:"),
                ("u", "turn 2 of 4:"),
                ("a", "Candidate 2 (1 of 2 decided: 0 accepted, 1 edited, 0 rejected)"),
                ("b", "Candidate 1 ("),
                ("s", "Candidate 2 ("),
                ("wdull\n", "Everything is decided. To a file: lima curate export chains --out FILE"),
            ):
                t.press(keys)
                t.until(says)
            assert t.end()[0] == 0
        with terminal(store, "--name", "chains", "--show", "rejected", **own) as t:
            t.until("[rejected: dull] turn 1 of 2")
            t.press("\x03")
            t.until("Stopped. Everything is saved")
            assert t.end()[0] == 0
        desk = Desk(store, curated(store, chain(), name="other"), "ana")
        assert do(desk, 1, "accept") == ""
    out = tmp_path / "out.jsonl"
    exported(lima_home, tmp_path / "l.db", out)
    row = json.loads(out.read_text())
    assert [turn["content"] for turn in row["dialogue"]["turns"]] == [CHAIN[0], CHAIN[1], "Also at night?", CHAIN[3]]
    assert "edited by ana" in row["provenance"]


def exported(lima_home, database, out):
    from lima.testing import run_command

    with only_plugins(**PLUGINS):
        printed = run_command("curate", "export", "chains", "--out", out, "-d", database)
        assert printed.out == f"Wrote 1 example to {out}; 1 were not accepted.\n"
        assert "exists" in run_command("curate", "export", "chains", "--out", out, "-d", database, code=1).err
        rows = run_command("curate", "list", "--json", "-d", database).json
        assert [(row["name"], row["edited"], row["rejected"], row["accepted"]) for row in rows] == [
            ("chains", 1, 1, 0), ("other", 0, 0, 1),
        ]  # fmt: skip
        found = run_command("curate", "status", "chains", "--json", "-d", database).json
        assert found["people"] == [
            {"person": "ana", "all": 2, "decided": 2, "undecided": 0, "accepted": 0, "edited": 1, "rejected": 1}
        ]


REFUSED = [
    ((), 2, "lima curate SOURCE"),
    (("--people", "ana"), 2, "Name a SOURCE, --new, --from-chats, or with --name a curation to resume."),
    (("FILE", "--by", "ana"), 2, "--by is for the --terminal: leave out --by, or add --terminal."),
    (("FILE", "--terminal", "--open"), 2, "--terminal opens no page: leave out --open."),
    (("FILE", "--terminal"), 1, "--terminal reads single keys and needs a terminal."),
    (("--name", "nowhere"), 1, "No curation 'nowhere'"),
    (("--from-chats",), 1, "No talk with a reply is recorded"),
    (("FILE", "--people", "ana,,ben"), 1, "'' is not the name of a person who curates"),
    (("FILE", "--name", "x", "--people", "ana", "--reviews", "2"), 1, "Give --reviews 1"),
    (("FILE", "--name", "../x"), 1, "'../x' is not a name for a curation"),
    (("FILE", "--name", "sky", "--people", "ben"), 1, "was begun with --people ana, which stays. Leave --people out"),
    (("sky.csv",), 1, "The curation sky was begun with made.jsonl. To add to it: --name sky."),
    (("nosuch:x",), 1, "is neither a registered source nor a file"),
    (("export", "sky", "--out", "OUT"), 1, "There are no examples to write"),
]


def test_what_does_not_fit_is_said(tmp_path, lima_home, lima_command):
    file, database = rows_file(tmp_path, ("One?", "Two.")), tmp_path / "l.db"
    with only_plugins(**PLUGINS):
        with Store(database) as store:
            curated(store)
        for words, code, says in REFUSED:
            named = [{"FILE": str(file), "OUT": str(tmp_path / "o.jsonl")}.get(word, word) for word in words]
            printed = lima_command("curate", *named, *(("-d", database) if words else ()), code=code)
            assert says in printed.out + printed.err, words
        both = lima_command("curate", "list", "--json", "-d", database).json
        assert [row["name"] for row in both] == ["sky"]
