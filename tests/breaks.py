"""The table of broken plugins: where `broken_plugin` breaks, how, in which command it is noticed, and what lima must say.

Each row breaks another call, or another line of lima. Knows nothing of how they are run.
"""

from typing import NamedTuple

SHOW, FILE, LISTED = "sources show odd", "sources show odd.jsonl", "sources --json"
PREVIEW = "preview --base odd --source odd --renderer odd"
AUTO = "preview --base odd --source odd --renderer auto"
WIDTH = f"{PREVIEW} --set plugins={{lima-odd={{width=3}}}}"
TRAIN = "train --base odd --source odd --renderer odd --set epochs=1 --set residual_dropout=0 --out NEW"
DEV = f"{TRAIN} --set dev=dev.jsonl --set keep_epochs=true"
ASK, GRADE = "ask made hi --max-new-tokens 2", "checkpoints grade RUN --grader odd"
TALK = "dialogues run odd --model odd:1 --seeds 1"
FETCH = "base-models fetch odd"


class Break(NamedTuple):
    """One way to break the plugin"""

    place: str
    environment: tuple[tuple[str, str], ...]
    command: str
    said: str
    "Part of what lima must say"

    @property
    def id(self):
        return f"{self.place}-{self.environment[0][1]}-{self.command.partition(' ')[0]}"


def code(place, text, command, said, at=1):
    return Break(place, (("CODE", text), ("AT", str(at))), command, said)


def value(place, text, command, said, at=1):
    return Break(place, (("VALUE", text), ("AT", str(at))), command, said)


CALLED = {
    "examples": ("examples() of the source 'odd'", SHOW),
    "next": ("examples() of the source 'odd'", SHOW),
    "with_options": ("with_options() of the source 'odd'", WIDTH),
    "end_of_turn": ("end_of_turn() of the renderer 'odd'", PREVIEW),
    "special_tokens": ("special_tokens() of the renderer 'odd'", PREVIEW),
    "render": ("render() of the renderer 'odd' on example '0'", PREVIEW),
    "prompts": ("prompts() of the renderer 'odd' on example '0'", PREVIEW),
    "with_variables": ("with_variables() of the renderer 'odd'", PREVIEW),
    "suits": ("suits() of the renderer 'odd'", AUTO),
    "folder": ("folder() of the base model 'odd'", PREVIEW),
    "fetch": ("fetch() of the base model 'odd'", FETCH),
    "prompt": ("prompt() of the renderer 'odd'", ASK),
    "split_reply": ("split_reply() of the renderer 'odd'", ASK),
    "chat_template": ("chat_template() of the renderer 'odd'", TRAIN),
    "named_templates": ("named_templates() of the renderer 'odd'", TRAIN),
    "grade_reply": ("grade_reply() of the grader 'odd' on example 'dev.jsonl:1' of source 'dev.jsonl'", GRADE),
    "conversations": ("conversations() of the evaluation 'odd'", TALK),
    "open": ("open() of the model 'odd'", TALK),
}
"Methods, where lima says that they failed, and the command that calls them"

RAISED = {
    "raise KeyError('mine')": "failed in {}: KeyError: 'mine'",
    "raise SystemExit(0)": "wanted to end lima in {}: SystemExit: 0.",
    "raise KeyboardInterrupt": "wanted to end lima in {}: KeyboardInterrupt.",
}
raised = [
    code(place, text, command, f"Plugin 'lima-odd' {sentence.format(where)}")
    for place, (where, command) in CALLED.items()
    for text, sentence in RAISED.items()
]

WRONG = {
    "examples": ("None", "7", "object()"),
    "with_options": ("None", "'abc'", "Base()"),
    "end_of_turn": ("None", "7", "['<|eot|>']", "b'x'"),
    "special_tokens": ("None", "'abc'", "[None]", "{'a'}", "7"),
    "render": ("None", "'abc'", "[None]", "value.ids", "[value, 3]"),
    "prompts": ("None", "[7]", "[['a']]", "'abc'"),
    "with_variables": ("None", "'abc'", "Source()"),
    "suits": ("None", "'yes'", "1"),
    "folder": ("None", "7", "b'x'"),
    "fetch": ("None", "[]"),
    "prompt": ("None", "'abc'", "[1.5]", "[None]"),
    "split_reply": ("None", "'abc'", "('a',)", "(None, 'a')", "['a', 'b']"),
    "chat_template": ("None", "7", "['a']"),
    "named_templates": ("None", "'abc'", "[('a', 'b')]", "{'a': None}"),
    "grade_reply": (
        "None",
        "'pass'",
        "lima.Verdict(2, 'so')",
        "lima.Verdict('pass', None)",
        "lima.Verdict('pass', 'so', 3)",
        "lima.Verdict('pass', 'so', ticks=['a'])",
    ),
    "conversations": ("None", "7"),
    "open": (),
}
returned = [
    value(
        place,
        text,
        CALLED[place][1],
        f"failed in {CALLED[place][0]}: TypeError"
        if place in ("examples", "conversations")
        else "Plugin 'lima-odd' returned ",
    )
    for place, texts in WRONG.items()
    for text in texts
]

YIELDED = {
    "None": "None; expected Record | Refused",
    "'abc'": "'abc'; expected Record | Refused",
    "lima.Example(id='1', prompt=None, response='x')": "one whose prompt is None; expected text",
    "lima.Example(id=3, prompt='a', response='x')": "one whose id is 3; expected text",
    "lima.Example(id='1', prompt='a', response=b'x')": "one whose response is b'x'; expected text",
    "lima.Example(id='1', prompt='a', response='x', weight=float('nan'))": "one whose weight is nan",
    "lima.Example(id='1', prompt='a', response='x', weight=-1)": "one whose weight is -1",
    "lima.Example(id='1', prompt='a', response='x', weight='1')": "one whose weight is '1'",
    "lima.Example(id='1', prompt='a', response='x', licence=7)": "one whose licence is 7; expected text",
    "lima.Refused(None, 'why')": "one whose where is None; expected text",
}
yielded = [value("next", text, SHOW, f"Plugin 'lima-odd' returned {said}", at=2) for text, said in YIELDED.items()]

ROWS = {
    "ids, [float('nan')] * len(ids), spans": "weights[0] is nan; expected a finite number",
    "ids, [float('inf')] * len(ids), spans": "weights[0] is inf; expected a finite number",
    "ids, [-w for w in weights], spans": "is -1.0; expected a finite number, from 0",
    "ids, [(-1) ** i * w for i, w in enumerate(weights)], spans": "is -1.0; expected a finite number, from 0",
    "ids, [str(w) for w in weights], spans": "weights[0] is '0.0'",
    "tuple(ids), weights, spans": "ids is (",
    "[str(i) for i in ids], weights, spans": "ids[0] is '",
    "ids, weights, [(7, 9)]": "spans[0] is (7, 9); expected Span",
    "ids, weights, [lima.Span(0, '9', 'a')]": "spans[0].stop is '9'",
    "ids, weights, spans, [3]": "muted[0] is 3",
    "[10**6] + ids[1:], weights, spans": "of plugin 'lima-odd': the 7 ids before answer 1 are not the 7",
    "ids[:-2] + [2**70, ids[-1]], weights, spans": "answer 1 has an id that no tokenizer has",
    "ids[:-2] + [-1, ids[-1]], weights, spans": "answer 1 has an id that no tokenizer has: -1 to",
    "ids, weights[1:], spans": "ids but",
    "ids, weights, [spans[0], spans[0]]": "of plugin 'lima-odd': 2 trained answers but 1 prompts",
    "ids, weights, [lima.Span(-3, 99, 'a')]": "answer 1 is said to be tokens -3 to 99",
    "ids, weights, [lima.Span(9, 7, 'a')]": "answer 1 is said to be tokens 9 to 7",
    "ids, weights, spans, [(0, 99)]": "tokens 0 to 99",
    "ids, [0.0] * len(ids), spans": "no token is trained",
    "ids, [1.0] * len(ids), spans": "is trained but is outside of every answer",
    "[], [], []": "no token is trained",
}
ALIAS = "(lambda ids, weights, spans: lima.Rendered({}))(value.ids, value.weights, value.spans)"
rendered = [value("render", ALIAS.format(text), PREVIEW, said) for text, said in ROWS.items()]
rendered += [value("render", text, PREVIEW, "of plugin 'lima-odd': ") for text in ("[]", "[value, value]")]

HOOKS = {"before_train": TRAIN, "after_step": TRAIN, "after_epoch": TRAIN, "after_train": TRAIN, "measure_epoch": DEV}
hooks = [
    code(hook, text, command, f"Plugin 'lima-odd' {sentence.format(hook)}")
    for hook, command in HOOKS.items()
    for text, sentence in RAISED.items()
]
hooks += [
    code("measure_epoch", f"record({text})", DEV, "Plugin 'lima-odd' failed in measure_epoch: ")
    for text in ("'x', float('nan')", "'', 1", "'x', 'y'", "None, 1", "'x'")
]
EXITS = "(_ for _ in ()).throw(SystemExit(0))"
LISTS = {
    f"type('L', (list,), {{'{method}': lambda *_: {does}}})": "returned one whose ids is "
    for method in ("__iter__", "__len__", "__getitem__", "count")
    for does in ("1 / 0", EXITS)
}
"Lists that raise where they are used: no other class of list is taken"
late = [
    value("render", ALIAS.format(f"{text}(ids), weights, spans"), PREVIEW, f"Plugin 'lima-odd' {said}")
    for text, said in LISTS.items()
]
late += [value("prompts", f"[{text}(value[0])]", TRAIN, "Plugin 'lima-odd' returned ") for text in list(LISTS)[:2]]
EXAMPLES = {
    "content": {"1 / 0": "ZeroDivisionError", "object()": "TypeError", EXITS: "SystemExit: 0"},
    "content_hash": {"1 / 0": "ZeroDivisionError", "7": "content_hash is 7; expected text", EXITS: "SystemExit: 0"},
}
SUB = "type('E', (lima.Example,), {{'{}': {}}})(id='1', prompt='a', response='b')"
late += [
    value("next", SUB.format(name, written.format(f"lambda _: {does}")), TRAIN, said)
    for name, cases in EXAMPLES.items()
    for written in ["property({})" if name == "content_hash" else "{}"]
    for does, said in cases.items()
]
late += [
    value(
        "next", f"lima.Example(**{{'id': '1', 'prompt': 'a', 'response': 'x', {name!r}: {wrong}}})", TRAIN, said, at=2
    )
    for name, wrong, said in (
        ("id", "'\\ud800'", "one whose id is '\\ud800'; expected text, of whole characters"),
        ("licence", "'\\ud800'", "one whose licence is '\\ud800'; expected text, of whole characters"),
        ("weight", "10**400", "; expected a finite number"),
    )
]
late += [
    value("special_tokens", "['a', ' ']", TRAIN, "one whose [1] is ' '; expected text, not empty"),
    value("special_tokens", "['\\ud800']", TRAIN, "one whose [0] is '\\ud800'"),
    value("end_of_turn", "''", TRAIN, "Plugin 'lima-odd' returned ''; expected text, not empty"),
    value("named_templates", "{'../x': 'y'}", TRAIN, "of plugin 'lima-odd' has a template named '../x'"),
    value("prompt", "[10**6]", ASK, "has the id 1000000; made has 0 to "),
    value("prompt", "[-1]", ASK, "Look at the renderer 'odd' of plugin 'lima-odd'"),
    value("grade_reply", "lima.Verdict(None, 'so')", GRADE, "it returned the grade None with the status 'graded'"),
    value(
        "grade_reply", "lima.Verdict('pass', 'so', 'odd')", GRADE, "it returned the grade 'pass' with the status 'odd'"
    ),
    value("conversations", "[1]", TALK, "The evaluation 'odd': conversation 1 is of the type int"),
    value("conversations", "[type(v)(v.id, None, v.turns) for v in value]", TALK, "conversation 1 has topic = None"),
    code("grade", "raise KeyError('mine')", TALK, "The first: c0, turn 1: The grader failed: KeyError: 'mine'"),
    code(
        "next", f"raise type('E', (Exception,), {{'__str__': lambda _: {EXITS}}})", SHOW, "E: its text cannot be read"
    ),
    value("next", f"type('R', (), {{'__repr__': lambda _: {EXITS}}})()", SHOW, "returned an object of R; expected"),
    code("after_step", "raise lima.LimaError('')", TRAIN, "Plugin 'lima-odd' failed in after_step: LimaError"),
    code("after_train", "(checkpoint / 'config.json').unlink()", TRAIN, "config.json is gone, which lima had written"),
    code("after_epoch", "import shutil; shutil.rmtree(checkpoint)", DEV, "is gone, which lima had written"),
    code("after_step", "os.remove(run.database)", f"{TRAIN} -d removed.db", "was moved, removed or replaced while"),
    code("command", "1 / 0", "odd", "Plugin 'lima-odd' failed in the command 'odd': ZeroDivisionError"),
]
"What fails only after it was returned, or where nobody looks at once"
FAILS = [*raised, *returned, *yielded, *rendered, *hooks, *late]

KINDS = ("sources", "renderers", "base_models", "models", "graders", "evaluations", "filters")
REGISTERED = {
    "raise KeyError('mine')": "failed: KeyError: 'mine'",
    "raise SystemExit(0)": "failed: SystemExit: 0",
    "register('a', None)": "'a' has no 'description'",
    "register('a', Source)": "is a class; register an object of it",
    "register('', Source())": "is registered under ''",
    "register('odd', REAL)": "it registers two objects as the",
}
ASIDE = [
    code(
        f"register_{kind}", text.replace("REAL", real), f"{kind.replace('_', '-')} --json", f"register_{kind} failed: "
    )
    for kind, real in zip(
        KINDS, ("Source", "Renderer", "Base", "Opener", "Grader", "Evaluation", "Filter"), strict=True
    )
    for text in REGISTERED
    for real in [f"{real}()"]
]
ASIDE += [
    code("import", "raise KeyError('mine')", LISTED, "import failed: KeyError: 'mine'"),
    code("import", "raise SystemExit(0)", LISTED, "import failed: SystemExit: 0"),
    code("declare_protocols", "declare('sources', int)", LISTED, "declare_protocols failed: "),
    code("register_commands", "raise SystemExit(0)", LISTED, "register_commands failed: SystemExit: 0"),
    code("register_commands", "cli.commands['train'].callback = print", LISTED, "it changes the command 'train'"),
    code("register_commands", "cli.commands['train'].params.clear()", LISTED, "it changes the command 'train'"),
    code("register_commands", "cli.commands.pop('train')", LISTED, "its command 'train' is registered by 'lima-tune'"),
    code("register_migrations", "register('a', None)", "runs --json", "register_migrations failed: "),
    value("description", "None", LISTED, "the source 'odd' has description = None"),
    value("licence", "7", LISTED, "the source 'odd' has licence = 7"),
]
"Breaks while lima starts: the plugin is set aside, and the command works without it"

CHANGED = {
    "os.chdir('/')": "the working directory (to /)",
    "os.environ['HF_HUB_OFFLINE'] = '0'": "the environment variable HF_HUB_OFFLINE",
    "os.environ.pop('HF_HUB_OFFLINE', None)": "the environment variable HF_HUB_OFFLINE",
    "import torch; torch.set_default_dtype(torch.float64)": "torch's default type (to torch.float64)",
    "import torch; torch.set_grad_enabled(False)": "whether torch records gradients",
    "import warnings; warnings.simplefilter('error')": "the filters of warnings",
    "import torch; torch.set_default_device('meta')": "torch's default device (to meta)",
    "import torch; torch.set_autocast_enabled('cpu', True)": "torch's autocast",
    "import torch; torch.use_deterministic_algorithms(True)": "whether torch allows only deterministic algorithms",
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)": "what happens on SIGINT",
    "import sys; sys.stderr = open(os.devnull, 'w')": "standard error",
    "import sys; sys.stderr.close()": "standard error",
    "import locale; locale.setlocale(locale.LC_ALL, 'C')": "the locale (to C)",
    "os.umask(0o777)": "the mask of new files' rights",
    "import sys; sys.setrecursionlimit(200)": "how deep calls may be nested (to 200)",
    "import logging; logging.disable(50)": "whether log messages are shown",
    "print('{oops')": "",
    "click.echo('{oops')": "",
    "os.write(1, b'{oops')": "",
    "os.system('echo {oops')": "",
    "import sys; print('{oops', file=sys.__stdout__, flush=True)": "",
    "import sys; sys.stdout.write('{oops'); sys.stdout.close()": "",
}
KEPT = [
    code(place, text, command, f"Plugin 'lima-odd' changed {what} in {where}" if what else "{oops")
    for place, command, where in (
        ("next", f"{SHOW} --json", "examples() of the source 'odd'"),
        ("after_step", TRAIN, "after_step"),
    )
    for text, what in CHANGED.items()
]
KEPT += [
    code(place, text, TRAIN, "")
    for place, text in (
        ("before_train", "run.sources[0]['licence'] = 'x' * 9"),
        ("before_train", "run.recipe.plugins['a'] = 1"),
        ("before_train", "run.environment.clear()"),
        ("after_step", "metrics.clear()"),
        ("after_epoch", "run.environment.clear()"),
    )
]
"What a plugin changes that is not its own: the command works as if it had not"
REFUSED = [
    code("before_train", text, TRAIN, "Plugin 'lima-odd' failed in before_train: ")
    for text in ("examples.clear()", "examples.append(None)", "examples[0] = None")
]
FAILS += REFUSED
