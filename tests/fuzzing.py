"""Imported by tests: command lines whose recipe, base, database, examples or dialogues are odd, each from a seed.

The commands run in this process, as `lima` runs them. Knows nothing of what is right; it sees what is not a sentence.
"""

import io
import json
import math
import random
import shutil
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from odd_values import DEEP, as_json, broken, changed, damage, odd_value

ROWS = (
    {"prompt": "Why?", "response": "So.", "weight": 1.0, "id": "a", "licence": "CC0-1.0"},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
     + [{"role": "assistant", "content": "Yes?", "name": "ann", "weight": 1}], "tools": []},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": None,
     "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
     {"role": "tool", "tool_call_id": "1", "content": "2"}, {"role": "assistant", "content": "Two."}],
     "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}]},
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}], "system": "Be brief."},
    {"instruction": "Add", "input": "1 and 2", "output": "3", "history": [["a", "b"]]},
    {"chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}], "rejected": []},
    {"text": "All of it."},
    {"role": {}, "content": "x"},
)  # fmt: skip
RECIPE = {
    "epochs": 1, "batch_size": 4, "learning_rate": 1e-5, "final_learning_rate": "auto", "betas": [0.9, 0.95], "seed": 1,
    "template": {"date_string": "today", "x": [1, {"a": None}]}, "plugins": {"lima-chat": {"ignore": ["x"], "skip_bad": True}},
    "sources": ["pairs.jsonl"], "residual_dropout": 0.1, "max_tokens": 64, "lora_rank": 2, "compile": False, "device": "cpu",
    "freeze": "", "precision": "auto", "out": "out", "micro_batch_tokens": 64, "save_every": 0, "trim": True, "shard": False,
    "weight_decay": 0.1, "clip": 1, "prompt_weight": 0.1, "lora_alpha": 1, "neftune_alpha": 0.0, "keep_epochs": True, "dev": [],
    "renderer": "lima", "gradient_checkpointing": True, "trust_remote_code": False, "base": "base",
}  # fmt: skip
PIECES = (
    "{{ x }}", "{{ 1 / 0 }}", "{{ 9 ** 9 ** 9 }}", "{{ 'x' * 10 ** 9 }}", f"{{{{ {'9' * 5000} }}}}",
    "{% for i in range(10 ** 9) %}",
    "{% endfor %}", "{{ messages.x.y }}", "\ud800", "{{ '\ud800' }}", "\x00", "{{ eos_token }}", "{% generation %}", "{" * 3000,
    "{{ raise_exception('no') }}", "{{ messages[0]['role'] = 1 }}", "{{ ''.__class__ }}", "{# ", "{{ '\u202e' }}",
)  # fmt: skip
"What a template may have at any place"
DIALOGUES = Path(__file__).parents[1] / "dialogues"
FORMATS = ("pairs:", "openai:", "sharegpt:", "alpaca:", "preference:", "completion:", "qa:", "lima:", "oasst:")


def run(arguments):
    """(exit code, what was printed, the traceback of what was not a sentence or '') of a command line"""
    from lima.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    code, fault = 0, ""
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as e:
            code = e.code
        except BaseException:
            fault = traceback.format_exc()
        out.flush()
        err.flush()
    return code, (out.buffer.getvalue() + err.buffer.getvalue()).decode(), fault


def toml(value):
    """A value in TOML; what TOML cannot hold is written as Python writes it, which is no TOML"""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value)


class Fuzz:
    """A folder in which each case writes a recipe, examples or dialogues, or spoils a copy of a base or of a database"""

    def __init__(self, folder, bases, pairs, database, run_id):
        self.folder, self.bases, self.pairs, self.database, self.run_id = folder, bases, pairs, database, run_id

    def __call__(self, kind, seed):
        """What `run` gives for a kind, which is the name of a method, and a seed; and the arguments"""
        chance = random.Random(f"{kind} {seed}")
        for entry in self.folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        arguments = getattr(self, kind)(chance)
        return *run(arguments), arguments

    def recipe(self, chance):
        shutil.copy(self.pairs, self.folder / "pairs.jsonl")
        values = {key: RECIPE[key] for key in chance.sample(list(RECIPE), chance.randint(1, 8))}
        given = ["--base", str(chance.choice(self.bases)), "--source", str(self.pairs)]
        if chance.random() < 0.2:
            key, value = chance.choice(list(RECIPE)), odd_value(chance)
            text = chance.choice((toml(value), toml(value), "[", "x y", "=", "", "9" * 5000, "[" * DEEP)).replace(
                "\0", ""
            )
            return ["plan", *given, "--set", f"{chance.choice((key, key, 'template.x', 'lima-chat.ignore'))}={text}"]
        if chance.random() < 0.9:
            values = changed(chance, values)
        lines = values if isinstance(values, dict) else {"x": values}
        text = "".join(f"{json.dumps(str(key))} = {toml(value)}\n" for key, value in lines.items())
        data = text.encode("utf-8", "surrogatepass")
        file = self.folder / "recipe.toml"
        file.write_bytes(broken(chance, data) if chance.random() < 0.1 else data)
        over = given if chance.random() < 0.8 else given[:2]
        return [*chance.choice((["plan"], ["plan", "--json"], ["train", "--dry-run"], ["preview"])), str(file), *over]

    def base_model(self, chance):
        folder = self.folder / "base"
        folder.mkdir()
        files = sorted(chance.choice(self.bases).iterdir())
        for file in files:
            (folder / file.name).symlink_to(file)
        file = chance.choice([file for file in files if file.suffix in (".json", ".jinja")])
        (folder / file.name).unlink()
        (folder / file.name).write_bytes(self.spoilt(chance, file))
        given = ["--base", str(folder), "--source", str(self.pairs), "--set", "residual_dropout=0", "--set", "epochs=1"]
        act = chance.random()
        if act < 0.5:
            return ["plan", *given]
        if act < 0.8 and file.name != "config.json":  # whose sizes may ask for more memory than there is
            return ["train", *given, "--out", str(self.folder / "out"), "-d", str(self.folder / "l.db")]
        return ["ask", str(folder), "Why?", "--max-new-tokens", "2", "-d", str(self.database)]

    def spoilt(self, chance, file):
        """A file of a base, odd"""
        text = file.read_text()
        if file.suffix == ".jinja":
            at = chance.randrange(len(text))
            data = (text[:at] + chance.choice(PIECES) + text[at:]).encode("utf-8", "surrogatepass")
            return broken(chance, data) if chance.random() < 0.2 else data
        value = json.loads(text)
        for _ in range(chance.randint(1, 2)):
            value = changed(chance, value)
        return as_json(chance, value)

    def damaged(self, chance):
        database = self.folder / "l.db"
        shutil.copy(self.database, database)
        for _ in range(chance.randint(1, 2)):
            damage(chance, database)
        run = self.run_id
        return [*chance.choice((
            ["runs"], ["runs", "--json"], ["runs", "show", run], ["checkpoints"], ["checkpoints", "show", run],
            ["checkpoints", "choose", run], ["checkpoints", "choose", run, "--epoch", "1"], ["train", "--resume", run],
            ["plugins"],
        )), "-d", str(database)]  # fmt: skip

    def examples(self, chance):
        row = chance.choice(ROWS)
        rows = [row] * chance.randint(0, 2) + [changed(chance, row) if chance.random() < 0.95 else row]
        text = b"\n".join(as_json(chance, row) for row in rows)
        if chance.random() < 0.1:
            text = as_json(chance, chance.choice((rows, {"data": rows})))
        file = self.folder / f"rows{chance.choice(('.jsonl', '.jsonl', '.json', '.txt', '.csv'))}"
        file.write_bytes(text)
        spec = f"{chance.choice(FORMATS) if chance.random() < 0.3 else ''}{file}"
        flags = chance.choice(([], [], ["--skip-bad"], ["--merge-turns"], ["--skip-bad", "--merge-turns"]))
        if chance.random() < 0.3:
            return ["sources", "show", spec, "-n", "3", *flags]
        base = chance.choice(self.bases)
        renderer = chance.choice(("auto", "chatml", "lima", "llama3", "gemma") if "messages" in str(row) else ("auto",))
        return ["preview", "--base", str(base), "--source", spec, "--renderer", renderer, *flags]

    def dialogues(self, chance):
        original = chance.choice(sorted(DIALOGUES.glob("*/*.json")))
        whole = value = json.loads(original.read_text(encoding="utf-8"))
        for _ in range(chance.randint(1, 3)):
            value = changed(chance, value)
        file = self.folder / original.parent.name / original.name
        file.parent.mkdir()
        file.write_bytes(as_json(chance, value))
        if original.parent.name.startswith("known"):  # replies to a conversation that is there
            twin = original.parent.name.replace("known", "eval")
            (self.folder / twin).mkdir()
            shutil.copy(DIALOGUES / twin / f"{whole['conversation']}.json", self.folder / twin)
        elif original.parent.name.startswith("eval") and chance.random() < 0.5:
            return ["evaluations", chance.choice(("show", "check")), str(file), "-d", str(self.folder / "l.db")]
        return ["dialogues-lint", str(self.folder)]
