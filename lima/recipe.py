"""LIMA's hyper-parameters (§3), from TOML and from `--set key=value`, checked before anything is loaded.

The defaults are the paper's. Knows nothing of how they are used.
"""

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lima.errors import LimaError, did_you_mean, quoted
from lima.paths import read_bytes

AUTO = "auto"

LEFT_TO_LIMA = ("renderer", "learning_rate", "final_learning_rate", "precision", "micro_batch_tokens")
"Keys that may be 'auto' or 0 until base and machine are known; what was chosen is recorded instead (`lima.data.automatic`)"

RATE, WIDTH = 1e-5, 8192
"LIMA's learning rate at the first step (§3), and the width of the 65B model that it was chosen for"

LORA_TIMES, LORA_POWER = 10, 0.781
"LoRA's best rate is ten times that of a full fine-tune, and falls with this power of a Llama model's width: see `Recipe.rates`"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a fine-tune; each field is a key of the TOML file and of --set"""

    base: str = ""
    "Folder or registered name of the base model"
    sources: tuple[str, ...] = ()
    "Sources of examples: a file, NAME or NAME:ARGUMENT"
    renderer: str = AUTO
    "How an example becomes tokens; 'auto' is the base's own template where it has one, else plain"
    template: dict[str, Any] = field(default_factory=dict)
    "Variables for the renderer's template: [template] in TOML, template.NAME=value in --set"
    out: str = ""
    "Folder of the checkpoint; empty: lima-runs/RUN"
    epochs: int = 15
    "Passes over the examples (LIMA §3)"
    batch_size: int = 32
    "Examples in an optimiser step (LIMA §3: 32; 64 for smaller models)"
    learning_rate: float | str = AUTO
    "At the first step, without warm-up; 'auto' is 1e-5 (LIMA §3), with LoRA ten times that, and more for small models"
    final_learning_rate: float | str = AUTO
    "At the last step, reached in a straight line; 'auto' is a tenth of the first (LIMA §3: 1e-6)"
    betas: tuple[float, float] = (0.9, 0.95)
    "AdamW's β₁ and β₂"
    weight_decay: float = 0.1
    "On matrices; biases, norms and embeddings are left alone"
    clip: float = 1.0
    "Largest gradient norm; 0 does not clip (the paper is silent)"
    residual_dropout: float = 0.3
    "At the last layer, rising linearly from 0 at the first (LIMA §3: 0.3; 0.2 for smaller models)"
    max_tokens: int = 2048
    "Longer examples are cut at the end of a turn; one whose first answer does not fit is dropped"
    trim: bool = False
    "Instead of dropping it, trim a first answer that does not fit to max_tokens (LIMA §3)"
    prompt_weight: float = 0.0
    "Loss weight of tokens outside the answers (2405.14394)"
    lora_rank: int = 0
    "Rank of LoRA updates on all linear layers; 0 trains all weights"
    lora_alpha: int = 0
    "LoRA's scale is lora_alpha / lora_rank; 0 is twice the rank"
    lora_dropout: float = 0.0
    "On the input of the LoRA updates"
    neftune_alpha: float = 0.0
    "Size of noise on the embeddings (2310.05914); 0 is none"
    freeze: str = ""
    "'embeddings' trains only those rows of the embedding that end a turn or are new"
    seed: int = 0
    "Order of the examples and dropout"
    precision: str = "auto"
    "'float32', 'bfloat16' (autocast over float32 weights) or 'auto': bfloat16 on a GPU and on a CPU that multiplies it natively"
    device: str = "auto"
    "'auto', 'cpu' or 'cuda'"
    micro_batch_tokens: int = 0
    "Tokens at once (0: 8192, on a CPU 1024, or 512 if the model is 512 wide or more); others change rounding and dropout"
    gradient_checkpointing: bool = False
    "Recompute activations to save memory"
    compile: bool | str = False
    "Compile the decoder blocks: a minute or more at the start; 'auto' does not yet, because no GPU has shown a gain"
    shard: bool = False
    "Shard weights, gradients and optimizer state over the processes (FSDP2)"
    keep_epochs: bool = False
    "Keep a checkpoint of every epoch, to choose one by its replies (LIMA §3)"
    dev: tuple[str, ...] = ()
    "Sources of held-out examples, whose replies and perplexity are kept for every epoch to choose by (LIMA §3)"
    save_every: int = 0
    "Steps between states to resume from; 0 is once an epoch, -1 never"
    trust_remote_code: bool = False
    "Run Python code that comes with the base model"
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    "Tables for plugins: [plugins.NAME] in TOML, NAME.key=value in --set"

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _checked(f.name, f.type, getattr(self, f.name)))
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if value != AUTO and not low <= value <= high:
                raise LimaError(f"Recipe: {name} is {quoted(value)}; expected {low:g} to {high:g}.")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise LimaError(
                    f"Recipe: {name} is {quoted(getattr(self, name))}.{did_you_mean(getattr(self, name), known)}"
                )
        for beta in self.betas:
            if not 0 <= beta < 1:
                raise LimaError(f"Recipe: betas has {quoted(beta)}; expected two numbers from 0 to below 1.")

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready"""
        return asdict(self)

    def in_bfloat16(self, device: str) -> bool:
        """Whether layers are multiplied in bfloat16 on that type of device, 'cpu' or 'cuda'"""
        return self.precision == "bfloat16" or (self.precision == "auto" and device == "cuda")

    def learning_rate_at(self, step: int, steps: int) -> float:
        """The rate of a step (0-based) of `steps`: first → final in a straight line, both reached exactly (LIMA §3)"""
        first, last = self.rates()
        if steps < 2:
            return first
        share = step / (steps - 1)
        return first * (1 - share) + last * share

    def rates(self, width: int = WIDTH) -> tuple[float, float]:
        """The learning rates of the first and the last step, for a model of this width (hidden size); numbers stay as they are

        'auto' is the paper's rate. With LoRA it is ten times that at the width of the paper's model, and at another width changes
        as the best rates of Llama models were found to: "LoRA Without Regret" (Schulman et al., 2025,
        https://thinkingmachines.ai/blog/lora) has the factor 10 and the power 0.781 of the width. Two digits are kept."""
        first, last = self.learning_rate, self.final_learning_rate
        if isinstance(first, str):
            first = float(f"{RATE * LORA_TIMES * (WIDTH / width) ** LORA_POWER:.1e}") if self.lora_rank else RATE
        return first, float(f"{first / 10:.12g}") if isinstance(last, str) else last

    def with_values(self, settings: dict[str, Any]) -> "Recipe":
        """A copy with some keys changed; 'NAME.key' goes to the table of plugin NAME"""
        changed = dict(settings)
        tables = {name: dict(table) for name, table in self.plugins.items()}
        given = changed.pop("plugins", {})
        if not isinstance(given, dict) or not all(isinstance(table, dict) for table in given.values()):
            raise LimaError(f"Recipe: plugins is {quoted(given)}; expected tables, one a plugin.")
        for name, table in given.items():
            tables.setdefault(name, {}).update(table)
        for key in [k for k in changed if "." in k]:
            name, _, inner = key.partition(".")
            if not name or not inner:
                raise LimaError(f"{quoted(key)} is not a recipe key; for a plugin's table write NAME.key.")
            if name == "template":
                changed["template"] = {**changed.get("template", self.template), inner: changed.pop(key)}
                continue
            tables.setdefault(name, {})[inner] = changed.pop(key)
        known = {f.name for f in fields(self)}
        for key in changed:
            if key not in known:
                raise LimaError(f"{quoted(key)} is not a recipe key.{did_you_mean(key, known)}")
        return replace(self, **changed, plugins=tables)

    @classmethod
    def recorded(cls, values: dict[str, Any]) -> "Recipe":
        """A recipe as a run recorded it; keys that its lima did not have yet are given what that lima did"""
        return cls().with_values({"trim": True} | values)

    @classmethod
    def from_toml(cls, path: str | Path) -> "Recipe":
        """The recipe of a file; LimaError with file and line when it is malformed"""
        return cls().with_values(cls.read(path))

    @classmethod
    def read(cls, path: str | Path) -> dict[str, Any]:
        """The keys and values of a recipe file, checked, without the defaults"""
        try:
            table = tomllib.loads(read_bytes(path, "the recipe").decode("utf-8-sig"))
        except (ValueError, RecursionError) as e:
            why = "it is nested too deeply" if isinstance(e, RecursionError) else e
            raise LimaError(f"{path} is not TOML: {why}.") from None
        if table.get("trust_remote_code"):
            raise LimaError(
                f"{path} asks to run Python code that lies in the model's folder. A file cannot allow that: take the line "
                "out, and add --trust-remote-code to the command."
            )
        try:
            cls().with_values(table)
        except LimaError as e:
            raise LimaError(f"{path}: {e}") from None
        return table


_BOUNDS: dict[str, tuple[float, float]] = {
    "epochs": (1, 10_000),
    "batch_size": (1, 1_000_000),
    "learning_rate": (0, 10),
    "final_learning_rate": (0, 10),
    "weight_decay": (0, 100),
    "clip": (0, 1e9),
    "residual_dropout": (0, 0.99),
    "max_tokens": (2, 10_000_000),
    "prompt_weight": (0, 100),
    "seed": (0, 2**32 - 1),
    "neftune_alpha": (0, 1000),
    "lora_rank": (0, 100_000),
    "lora_alpha": (0, 1_000_000),
    "lora_dropout": (0, 0.99),
    "save_every": (-1, 1e9),
    "micro_batch_tokens": (0, 100_000_000),
}
_CHOICES = {
    "precision": ("auto", "float32", "bfloat16"),
    "device": ("auto", "cpu", "cuda"),
    "freeze": ("", "embeddings"),
}


def left_to_lima(key: str, value: Any) -> bool:
    """Whether that value of a key leaves the choice to lima"""
    return key in LEFT_TO_LIMA and value == (0 if key == "micro_batch_tokens" else AUTO)


def parse_setting(text: str) -> tuple[str, Any]:
    """'key=value' as TOML would read the value, or as plain text where TOML would not"""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise LimaError(f"--set {quoted(text)}: expected key=value, for example --set epochs=3.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):  # no TOML, a number of thousands of digits, or nested too deeply
        parsed = value.strip()
    return key.strip(), parsed


def _checked(name: str, kind: Any, value: Any) -> Any:
    """The value in its field's type, or LimaError; an int passes for a float, a bool never for a number"""
    wrong = LimaError(f"Recipe: {name} is {quoted(value)}; expected {_KIND_NAMES.get(kind, kind)}.")
    try:
        checked = _as(kind, value)
    except OverflowError:  # a whole number that is too large for a float
        raise wrong from None
    if checked is None:
        raise wrong
    return checked


def _as(kind: Any, value: Any) -> Any:
    """The value in this type; None where it is of another"""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == float | str:
        return value if value == AUTO else float(value) if type(value) in (int, float) else None
    if kind == bool | str:
        return value if value == "auto" or isinstance(value, bool) else None
    if kind == tuple[str, ...]:
        value = (value,) if isinstance(value, str) else value
        return tuple(value) if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value) else None
    if kind == tuple[float, float]:
        right = isinstance(value, list | tuple) and len(value) == 2 and all(type(v) in (int, float) for v in value)
        return tuple(float(v) for v in value) if right else None
    if kind == dict[str, dict[str, Any]]:
        return value if isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()) else None
    if kind == dict[str, Any]:
        right = isinstance(value, dict) and all(isinstance(v, str) and v.isidentifier() for v in value)
        return value if right else None
    return value if type(value) is kind else None


_KIND_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    bool | str: "true, false or 'auto'",
    float | str: "a number or 'auto'",
    tuple[str, ...]: "a list of texts",
    tuple[float, float]: "two numbers",
    dict[str, Any]: "a table of names and values",
    dict[str, dict[str, Any]]: "tables, one a plugin",
}
