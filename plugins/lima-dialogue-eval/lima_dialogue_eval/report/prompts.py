"""Prompts as they were sent: the token ids that the store has, and their text by the tokenizer in the model's folder.

Of a prompt that begins with the one of the turn before only the rest is given, as `continues` says. Its text is given where
that of its tokens one by one is another, for a character may be in two. No weight is loaded and no code of a folder runs. Knows
nothing of conversations.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lima import LimaError, is_folder, load_tokenizer

Row = dict[str, Any]
NOT_REPORTED = "The model reported no token ids: it was sent the turns above, each with this arm's own replies."


class Prompts:
    """The prompts of some dialogue runs (rows as of `find_run`), and the pieces of the tokens that occurred so far"""

    def __init__(self, runs: Sequence[Row]) -> None:
        self.folders = list(dict.fromkeys(run["model"] for run in runs))
        self.pieces: list[dict[int, str]] = [{} for _ in self.folders]
        "A table of id → text for each model"
        self._models = {run["id"]: self.folders.index(run["model"]) for run in runs}
        self._opened: dict[int, Any] = {}

    def of(self, run: str, ids: Sequence[int], before: "Prompt | None") -> "Prompt":
        """A prompt, after the one of the turn before"""
        if not ids:
            return Prompt([], "", {})
        model = self._models[run]
        tokenizer = self._tokenizer(model)
        continues = before is not None and bool(before.ids) and list(ids[: len(before.ids)]) == before.ids
        text, new = "", list(ids)
        row: Row = {"model": model, "tokens": len(ids)}
        if not isinstance(tokenizer, str):
            text = str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
            continues = continues and before is not None and text.startswith(before.text)
            self._note(model, tokenizer, ids)
        said = text
        if continues and before:
            new, row["continues"], said = new[len(before.ids) :], True, text[len(before.text) :]
        if text and said != "".join(self.pieces[model][id] for id in new):
            row["text"] = said
        return Prompt(list(ids), text, {**row, "ids": new})

    def notes(self) -> list[str]:
        """For each model, why its prompts have ids and no text; '' where they have, or where nobody asked"""
        return [found if isinstance(found := self._opened.get(i), str) else "" for i in range(len(self.folders))]

    def _tokenizer(self, model: int) -> Any:
        """The tokenizer of a model, or why it has none, in a sentence"""
        if model not in self._opened:
            folder = self.folders[model]
            try:
                there = is_folder(Path(folder))
                self._opened[model] = (
                    load_tokenizer(folder)
                    if there
                    else f"{folder} is not a folder on this machine, so the ids have no text."
                )
            except LimaError as e:
                self._opened[model] = f"The ids have no text. {e}"
        return self._opened[model]

    def _note(self, model: int, tokenizer: Any, ids: Sequence[int]) -> None:
        known = self.pieces[model]
        for id in set(ids) - known.keys():
            known[id] = str(tokenizer.decode([id], skip_special_tokens=False, clean_up_tokenization_spaces=False))


class Prompt:
    """One prompt, and how a report has it: {} where the model reported none"""

    def __init__(self, ids: list[int], text: str, row: Row) -> None:
        self.ids, self.text, self.row = ids, text, row
