"""Folders that were tuned on the 52,000 Alpaca instructions, `alpaca:FOLDER`: asked in that set's plain format.

Such folders have no chat template. The format's words are those that the models were tuned with; other words would ask another
model. Knows nothing of templates with roles.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lima import LimaError, bos_ids, encode

if TYPE_CHECKING:
    from lima import CheckpointModel, Prompt, Reply, Sampling

FORMAT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{}\n\n### Response:"
)


class AlpacaFolders:
    """`alpaca:FOLDER`"""

    description = "a folder that was tuned on the Alpaca set, asked in its format: alpaca:FOLDER"

    def open(self, argument: str | None, store: Any, trust_remote_code: bool = False) -> "AlpacaModel":
        """The folder as a model; code that comes with it runs only with `trust_remote_code`"""
        from lima import CheckpointModel, is_folder

        if not argument or not is_folder(argument):
            raise LimaError(f"No such folder: {argument or ''}. Name a Hugging Face folder: alpaca:FOLDER.")
        return AlpacaModel(argument, CheckpointModel(argument, AlpacaFormat(), trust_remote_code=trust_remote_code))


class AlpacaModel:
    """A folder that answers in the format"""

    def __init__(self, folder: str, model: "CheckpointModel") -> None:
        self.name, self.model = f"alpaca:{folder}", model

    def identity(self) -> str:
        """The folder's hash, and the format"""
        from lima_dialogue_eval import model_hash

        return f"{FORMAT}\0{model_hash(self.model)}"

    def reply(
        self,
        prompts: "Sequence[Prompt]",
        settings: "Sampling",
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
        on_reply: "Callable[[int, Reply], None] | None" = None,
    ) -> "Sequence[Reply | Exception]":
        """As the folder's model does"""
        return self.model.reply(prompts, settings, seed, on_progress, on_reply)


class AlpacaFormat:
    """A text, or the last message of several, as an instruction"""

    name = "alpaca:FOLDER"

    def prompt(self, text: str, tokenizer: Any, eot: str) -> list[int]:
        """The ids that prompt for an answer to a text"""
        before, after = FORMAT.split("{}")
        whole = f"{before}{text.strip()}{after}"
        ids, _ = encode(tokenizer, whole, [(len(before), len(whole) - len(after))])
        return [*bos_ids(tokenizer), *ids]

    def chat_prompt(self, turns: Any, tokenizer: Any, eot: str) -> list[int]:
        """The ids for one message; LimaError for several, of which the format has none"""
        if len(turns) != 1:
            raise LimaError(
                "A folder that was tuned on the Alpaca set answers one instruction, without turns before it."
            )
        return self.prompt(turns[0].content, tokenizer, eot)
