"""Dialogue 27 in real repositories: its commands, taken from the text, do what its answers say they do."""

import os
import shlex
import subprocess

import pytest
from dialogue_texts import answer, blocks, inline

pytestmark = pytest.mark.slow
A = [answer(27, nth) for nth in range(1, 6)]
"""The answers: two commands; what -f does; undo what was pushed; merge again; delete"""


class Repository:
    """A clone with three commits too many on main, uncommitted edits, and a colleague with a clone of their own"""

    def __init__(self, folder, pushed):
        self.folder, self.commits = folder, {}
        names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_EDITOR": "true"}
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C", **names, **nothing}
        self.at = folder
        self("git init -q --bare -b main server", "git clone -q server me")
        self.at = folder / "me"
        self("git switch -q -C main")
        self.write("f.txt", "a\nb\nc\n")
        self.write("other.txt", "x\n")
        self("git add .", "git commit -qm base", "git push -qu origin main")
        for n in (1, 2, 3):
            self.write("f.txt", f"line {n}\n", more=True)
            self.write(f"new{n}.txt", f"{n}\n")
            self("git add .", f"git commit -qm 'commit {n}'")
        self.third = self("git rev-parse HEAD")
        self.commits = {"FIRST": self("git rev-parse HEAD~2"), "THIRD": self.third, "<hash>": self.third}
        if pushed:
            self("git push -q", "git clone -q ../server ../colleague")
            self.colleague("other.txt", "colleague\n")
        self.write("f.txt", "edit\n", more=True)
        self.write("notes.txt", "untracked\n")

    def __call__(self, *lines):
        """The output of the last of these command lines, all of which must succeed"""
        for line in lines:
            done = self.run(line)
            assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout.strip()

    def run(self, line):
        """One command line as it stands in the text; FIRST, THIRD and <hash> are put in"""
        for name, commit in self.commits.items():
            line = line.replace(name, commit)
        return subprocess.run(
            shlex.split(line, comments=True), cwd=self.at, env=self.env, capture_output=True, text=True, timeout=30
        )

    def block(self, text, which):
        """The outputs of the lines of a block of an answer"""
        return [self(line) for line in blocks(text)[which].splitlines() if line.split("#")[0].strip()]

    def write(self, name, text, more=False):
        with (self.at / name).open("a" if more else "w") as file:
            file.write(text)

    def read(self, name):
        return (self.at / name).read_text()

    def colleague(self, name, text):
        """A commit of the colleague's, pushed"""
        mine, self.at = self.at, self.folder / "colleague"
        self("git pull -q")
        self.write(name, text, more=True)
        self("git commit -qam colleague", "git push -q")
        self.at = mine

    def subjects(self, range):
        return self(f"git log --format=%s {range}").splitlines()


@pytest.fixture
def unpushed(tmp_path):
    """The state after the two commands of the first answer, nothing pushed"""
    repository = Repository(tmp_path, pushed=False)
    repository.block(A[0], 0)
    return repository


@pytest.fixture
def pushed(tmp_path):
    """The same where all was pushed and a colleague has gone on"""
    repository = Repository(tmp_path, pushed=True)
    repository.block(A[0], 0)
    return repository


def test_two_commands_move_three_commits_and_keep_the_edits(unpushed):
    listed, status = unpushed.block(A[0], 2)
    assert [line.split(" ", 1)[1] for line in listed.splitlines()] == ["commit 3", "commit 2", "commit 1"]
    assert "On branch feature" in status
    assert "Untracked files" in status
    assert "notes.txt" in status
    assert unpushed("git rev-parse main") == unpushed("git rev-parse origin/main")
    assert unpushed(inline(A[0], "git log --oneline origin/main..main")) == ""  # afterwards
    refused = unpushed.run(inline(A[0], "git switch main"))
    assert refused.returncode
    assert "Your local changes to the following files would be overwritten by checkout" in refused.stderr
    assert unpushed.read("f.txt").endswith("edit\n")


def test_the_commits_are_still_there_and_found_again(unpushed):
    latest, branches = unpushed.block(A[1], 0)
    assert len(latest.splitlines()) == 3
    assert branches == "* feature"
    assert "already exists" in unpushed.run("git branch main origin/main").stderr
    unpushed("git add -A", "git commit -qm w", "git switch -q main", "git branch -D feature")
    assert unpushed.third[:7] in unpushed(inline(A[1], "git reflog"))
    unpushed(inline(A[1], "git branch rescue <hash>"))
    assert unpushed("git rev-parse rescue") == unpushed.third


def undone(repository):
    """The state after the third answer"""
    repository.block(A[2], 0)
    return repository


def test_pushed_commits_are_undone_without_force(pushed):
    assert pushed("git rev-parse main") == pushed.third  # "left main where it was"
    undone(pushed)
    assert pushed.subjects("-3 main") == ['Revert "commit 1"', 'Revert "commit 2"', 'Revert "commit 3"']
    assert pushed("git rev-parse main") == pushed("git rev-parse origin/main")
    assert (pushed.read("f.txt"), pushed.read("other.txt")) == ("a\nb\nc\n", "x\ncolleague\n")
    changed = pushed(inline(A[2], "git diff --stat FIRST^ main"))
    assert [line.split(" |")[0].strip() for line in changed.splitlines()[:-1]] == ["other.txt"]
    pushed("git switch -q feature")
    assert pushed.read("f.txt").endswith("edit\n")
    assert pushed.read("notes.txt") == "untracked\n"


def test_what_stops_the_undoing(pushed):
    pushed.colleague("f.txt", "the colleague's\n")
    lines = blocks(A[2])[0].splitlines()
    pushed(*lines[:4])
    before = pushed("git rev-parse HEAD")
    assert pushed.run(lines[5]).returncode != 0
    pushed(inline(A[2], "git revert --abort"))
    assert (pushed("git rev-parse HEAD"), pushed("git status --short")) == (before, "")


def test_a_rejected_push(pushed):
    lines = blocks(A[2])[0].splitlines()
    pushed(*lines[:6])
    pushed.colleague("other.txt", "quicker\n")
    assert pushed.run(lines[6]).returncode != 0
    pushed(inline(A[2], "git pull --no-rebase"), lines[6])


def merged(repository):
    """The state after the fourth answer and the merge of feature-2"""
    undone(repository)("git switch -q feature")
    repository.write("f.txt", "line 5\n", more=True)
    repository("git commit -qam 'later work'")
    repository.block(A[3], 0)
    return repository


def test_a_plain_merge_leaves_the_three_out(pushed):
    undone(pushed)("git switch -q -c trial")
    pushed.run("git merge -q --no-edit feature")
    assert not (pushed.at / "new1.txt").exists()


def test_reverting_the_reverts_and_adding_the_newer_commits(pushed):
    merged(pushed)
    changed = pushed(inline(A[3], "git diff --stat feature feature-2"))
    assert [line.split(" |")[0].strip() for line in changed.splitlines()[:-1]] == ["other.txt"]
    pushed("git switch -q main", "git merge -q feature-2", "git push -q")
    assert pushed.read("f.txt").split("\n") == ["a", "b", "c", "line 1", "line 2", "line 3", "edit", "line 5", ""]
    assert all((pushed.at / f"new{n}.txt").exists() for n in (1, 2, 3))


def test_git_refuses_to_delete_and_cherry_says_that_all_is_there(pushed):
    merged(pushed)("git switch -q main", "git merge -q feature-2", "git push -q")
    assert "not fully merged" in pushed.run("git branch -d feature").stderr
    (compared,) = pushed.block(A[4], 0)
    assert [line[0] for line in compared.splitlines()] == ["-", "-"]
    pushed("git switch -q feature")
    pushed.write("f.txt", "line 6\n", more=True)
    pushed("git commit -qam 'not merged'", "git switch -q main")
    assert [line[0] for line in pushed.block(A[4], 0)[0].splitlines()] == ["-", "-", "+"]
    pushed(inline(A[4], "git branch -D feature"))
