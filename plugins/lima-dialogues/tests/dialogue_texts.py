"""Imported by tests: the texts of the shipped dialogues, and the code, tables and commands in them, by number and answer."""

import re

from lima_dialogues.files import TRAIN, our_folder, read

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def turns(number):
    """(role, text) of the dialogue whose file begins with this number"""
    (file,) = [f for f in read(our_folder()) if f.folder == TRAIN and f.stem.startswith(f"{number:02}-")]
    return [(turn["role"], turn["content"]) for turn in file.data["turns"]]


def answer(number, nth):
    """The nth answer of a dialogue, from 1"""
    return [text for role, text in turns(number) if role == "assistant"][nth - 1]


def asked(number, nth):
    """What the user says the nth time, from 1"""
    return [text for role, text in turns(number) if role == "user"][nth - 1]


def blocks(text, language=None):
    """The fenced blocks of a text, all or those of a language"""
    return [code for name, code in _FENCE.findall(text) if language is None or name == language]


def inline(text, command):
    """A command, which must be in the text between backticks: an edited text fails here and not silently"""
    assert f"`{command}`" in text, f"{command!r} is no longer in {text[:60]!r} …"
    return command


def tables(text):
    """The Markdown tables of a text, each a list of rows of cells, with the header and without the rule below it"""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip(" *") for cell in line.strip("|").split("|")])
        elif rows:
            found.append([rows[0], *rows[2:]])
            rows = []
    return found


def numbers(text):
    """The numbers in a text: thousands may be apart by a comma or a space, a minus may be typographic"""
    joined = re.sub(r"(?<=\d)[, \u00a0](?=\d{3}(?!\d))", "", text.replace("−", "-"))
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", joined)]
