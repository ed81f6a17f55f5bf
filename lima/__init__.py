"""lima: fine-tune a language model on a thousand good examples, with every other ability in a plugin.

The public names, all of them, found on first use so that `import lima` stays light (no torch, transformers or sqlite_utils).
Public are these, `lima.cli` and `lima.testing`; any other module may change without notice.
"""

import sys
from importlib import import_module
from typing import Any

import pluggy

hookimpl = pluggy.HookimplMarker("lima")
"""Marks a function of a plugin module as an implementation of a hook in `lima.contract.hooks`"""

__version__ = "0.1.0"

_PUBLIC = {
    "errors": "LimaError PluginFailed PluginStopped Interrupted did_you_mean",
    "text": "visible pieces storable blank",
    "paths": "is_file is_folder is_there absolute read_bytes",
    "recipe": "Recipe parse_setting",
    "contract.examples": "Record Example Refused Credit Excluded",
    "contract.rendered": "Span Rendered as_rows",
    "contract.answers": "Message Prompt Reply Sampling",
    "contract.grades": "GRADES SCORES GRADED UNDECIDED GRADER_FAILED Tick Verdict",
    "contract.runs": "Run SourceRow PluginRow",
    "contract.kinds": "ExampleSource Recognises RecognisesLast TakesOptions ReadsSources Renderer TextPrompts ChatPrompts "
    "HasChatTemplate HasNamedTemplates RendersAhead TakesVariables SplitsThoughts SuitsBase BaseModel Fetches Opens ModelOpener "
    "Model Streams TellsPrompts GradesTurns GradesReplies Evaluation",
    "contract.filters": "Filter FilterOptions UsesStore",
    "plugins": "Plugins load_plugins",
    "isolation": "contained plugin_code said",
    "data.files": "Row read_rows records_of number_of kind_of shown",
    "data.json_text": "parse_json NotJson",
    "data.keys": "BEYOND_A_PAIR Ignored",
    "data.encoding": "Encoded encode encode_meanwhile bos_ids reused_or_new_eot",
    "data.rendering": "verify",
    "data.sources": "FoundSource find_source open_source",
    "data.options": "Between options_of",
    "data.tally": "Tally Wrong",
    "data.drawing": "drawn",
    "data.scratch": "Scratch",
    "data.base_models": "find_base",
    "data.dataset": "prepare",
    "model.folder": "folder_hash load_tokenizer",
    "model.saving": "check_new beside to_disk put_in_place",
    "record.lock": "exclusive",
    "record.places": "user_folder default_path command_on",
    "record.store": "Store append_only",
    "record.runs": "now new_run_id environment lock_of finished_runs sources_of",
    "answer.checkpoint_model": "CheckpointModel",
    "answer.opening": "is_registered open_model",
    "answer.likelihood": "log_likelihoods",
    "train.start": "fine_tune resume",
    "train.dev_answers": "perplexity",
    "train.resume_state": "save_state load_state newest_state states_folder",
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = ["__version__", "hookimpl", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima' has no attribute {name!r}")
    return getattr(import_module(f"lima.{_HOME[name]}"), name)


_MOVED = {
    "adapter": "model.adapter",
    "assemble": "model.build",
    "attention": "model.attention",
    "batching": "train.batching",
    "budget": "train.budget",
    "cache": "answer.kv_cache",
    "checkpoint": "train.resume_state",
    "choice": "record.selection",
    "compiled": "model.compiled",
    "decode": "answer.decode",
    "dev": "data.dev and train.dev_answers",
    "dropout": "model.dropout",
    "eot": "model.eot",
    "example": "contract.examples",
    "figures": "train.metrics",
    "generate": "contract.answers and answer.checkpoint_model",
    "guard": "record.guard",
    "head": "train.head",
    "hookspecs": "contract.hooks",
    "hostile": "text",
    "linear": "model.onednn",
    "lock": "record.lock",
    "loop": "train.loop",
    "loss": "train.loss",
    "memory": "model.memory",
    "migrate": "record.migrate",
    "neftune": "model.neftune",
    "parameters": "model.build",
    "plan": "train.plan",
    "prepare": "data.dataset and data.sources",
    "rendering": "contract.rendered and data.rendering",
    "run": "contract.runs and record.runs",
    "saving": "model.saving",
    "shard": "model.shard",
    "store": "record.store",
}
"Modules of lima 0.1 and where their contents are; `lima.model` and `lima.train` are packages, which say it themselves"


class _Moved:
    """Asked last for a module: an import of an old one fails with the new place"""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        old = name.removeprefix("lima.")
        if name != old and old in _MOVED:
            raise ModuleNotFoundError(
                f"{name} has moved to lima.{_MOVED[old].replace(' and ', ' and lima.')}. Import public names from lima itself.",
                name=name,
            )


sys.meta_path.append(_Moved)
