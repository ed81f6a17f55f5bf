"""Which keys of a row are understood, which say nothing about what is learnt, and what to do about any other.

Knows nothing of formats: each names the keys that it understands.
"""

import difflib
import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lima.errors import LimaError

_NAMES = """
    id idx index uid uuid guid hash name title dataset dataset_name source src origin data_source provenance split subset
    part version revision task tasks task_name task_type type kind category categories subcategory topic topics subject domain
    field genre tag tags keywords lang language languages language_code locale country city licence license author authors
    annotator contributor username user_name created created_at created_on create_time updated updated_at update_time posted_at
    published_at collected_at date
    time datetime timestamp year model models model_name model_version engine generator generated_by url urls link links
    website file files filename file_name path comment comments note notes description meta metadata score scores rating
    ratings rank reward rewards quality difficulty complexity confidence upvotes downvotes votes views likes length lengths
    tokens n_tokens num_tokens token_count word_count num_words num_turns turn_count turn turn_identifier redacted toxic
    toxicity moderation openai_moderation detoxify_moderation hashed_ip embedding embeddings cluster finish_reason
    stop_reason usage __index_level_0__
"""
METADATA = frozenset(_NAMES.split()) | {"", "Unnamed: 0"}
"Keys that say where a row comes from and how it was judged, not what is learnt; and the index that pandas writes"
ENDS = ("_id", "_ids", "_url", "_urls", "_hash", "_sha256", "_score", "_rating", "_timestamp")
LEARNING = frozenset(("train", "training", "trainable", "loss", "mask", "train_detail", "weight", "loss_weight"))
"Keys that say whether something is learnt, wherever they stand"
BEYOND_A_PAIR = frozenset(
    ("system", "system_prompt", "history", "tools", "functions", "label", "kto_tag", *LEARNING - {"weight"})
)
"What a row of prompt and response may have beside it that the core does not read; a plugin may"
_MEDIA = re.compile("image|picture|photo|audio|sound|speech|video")
_MEDIA_FILE = re.compile(r"\.(png|jpe?g|gif|webp|bmp|tiff?|wav|mp3|flac|ogg|mp4|webm|avi|mov)$", re.IGNORECASE)
_JUDGEMENTS = frozenset(("type", "kind", "quality", "rating", "category", "task_type", "split", "moderation"))
_REFUSALS = frozenset(("rejected", "reject", "bad", "deleted", "spam", "dispreferred"))
"Judgements that turn a row's meaning round"
_WORD = re.compile(r"(?!(?:true|false|inf|nan)$)[A-Za-z_][\w-]*")


@dataclass(frozen=True)
class Ignored:
    """The keys that a recipe leaves unread, by the option `ignore` of a plugin"""

    plugin: str
    keys: tuple[str, ...] = ()

    @classmethod
    def of(cls, plugin: str, values: Mapping[str, Any]) -> "Ignored":
        """From the plugin's table in the recipe: a list, or a text with commas"""
        given = values.get("ignore", ())
        if isinstance(given, str):
            given = [key.strip() for key in given.split(",") if key.strip()]
        if not isinstance(given, list | tuple) or not all(isinstance(key, str) for key in given):
            raise LimaError(f"{plugin}.ignore is {given!r}; expected keys, as in {cls(plugin).also(['key1', 'key2'])}.")
        return cls(plugin, tuple(given))

    def also(self, more: Iterable[str]) -> str:
        """The option of the command line that ignores some more keys"""
        keys = list(dict.fromkeys([*self.keys, *more]))
        if all(map(_WORD.fullmatch, keys)):
            return f"--set {self.plugin}.ignore={','.join(keys)}"
        return f"--set {shlex.quote(f'{self.plugin}.ignore={json.dumps(keys)}')}"

    def taken_from(self, row: Any) -> Any:
        """A row without these keys, which the objects in its lists are without, too"""
        if not self.keys or not isinstance(row, dict):
            return row
        return {key: _each_without(one, self.keys) for key, one in row.items() if key not in self.keys}

    def check(self, holder: Mapping[Any, Any], understood: frozenset[str], what: str) -> None:
        """LimaError for a key that is neither understood nor metadata, and has a value"""
        if holder.keys() <= understood:
            return
        unknown = [
            str(key)
            for key, value in holder.items()
            if key not in understood and not _says_nothing(value) and not is_metadata(key, value)
        ]
        if not unknown:
            return
        one, them = len(unknown) == 1, "it" if len(unknown) == 1 else "them"
        close = difflib.get_close_matches(unknown[0], understood, n=1, cutoff=0.75)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise LimaError(
            f"{what} has {'a key that is' if one else 'keys that are'} not understood: {', '.join(map(repr, unknown))}.{hint} "
            f"To read {what} without {them}: {self.also(unknown)}"
        )


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def is_metadata(key: Any, value: Any) -> bool:
    """Whether a key with this value says nothing of what is learnt: no picture, no judgement against it, no keys that decide"""
    name = str(key).lower()
    if not (name in METADATA or name.endswith(ENDS)) or _MEDIA.search(name):
        return False
    if isinstance(value, str):
        return not (name in _JUDGEMENTS and value.lower() in _REFUSALS) and not _MEDIA_FILE.search(value)
    if isinstance(value, dict):
        return not LEARNING & value.keys()
    texts = value if isinstance(value, list) else []
    return not any(isinstance(one, str) and _MEDIA_FILE.search(one) for one in texts)


def _each_without(value: Any, ignored: Collection[str]) -> Any:
    if not isinstance(value, list):
        return value
    return [{k: v for k, v in one.items() if k not in ignored} if isinstance(one, dict) else one for one in value]
