"""Has a fine-tune reply, and a base rank what it wrote; a reply and its tokens are kept together, so that nothing is done twice.

Knows nothing of shares or of the command line.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from lima import LimaError, Reply, Sampling, now, storable
from lima_dialogue_eval import model_hash
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.record.study import Study
from lima_studies.shift.pieces import pieces
from lima_studies.shift.ranks import Place, places

AT_ONCE = 16
"Replies that are asked for together; what was done before a stop is lost for no more of them"
OnProgress = Callable[[str, int, int], None]


@runtime_checkable
class ReadsTokens(Protocol):
    """A model on this machine whose probabilities can be read, as a folder is"""

    name: str
    model: Any
    tokenizer: Any

    def prompt_ids(self, prompt: Any) -> list[int]: ...

    def reply(self, prompts: Any, settings: Any, seed: Any) -> Any: ...


class ShiftWork:
    """A fine-tune and a base"""

    def __init__(self, study: Study, tuned: Any, base: Any, own_prompt: bool) -> None:
        """With `own_prompt` the base reads each request as its own renderer writes it, else as the fine-tune's does"""
        for model in (tuned, base):
            if not isinstance(model, ReadsTokens):
                raise LimaError(
                    f"{model.name} does not show its probabilities. Name a run, a base model or a folder on this machine."
                )
        self.study, self.tuned, self.base, self.own_prompt = study, tuned, base, own_prompt

    def left(self) -> list[StudyPrompt]:
        """The prompts that are to be answered yet"""
        done = {prompt for _, prompt, _ in self.study.texts()}
        return [prompt for prompt in self.study.prompts() if prompt.id not in done]

    def run(self, sampling: Sampling, seed: int, on_progress: OnProgress) -> None:
        """Do what is left"""
        with self.study.working():
            left = self.left()
            total = len(self.study.prompts())
            identity = hashlib.sha256(model_hash(self.tuned).encode()).hexdigest()
            self._same_as_before(identity)
            for start in range(0, len(left), AT_ONCE):
                some = left[start : start + AT_ONCE]
                seeds = [_seed(prompt.id, seed) for prompt in some]
                replies = self.tuned.reply([prompt.text for prompt in some], sampling, seeds)
                for number, (prompt, reply) in enumerate(zip(some, replies, strict=True), 1):
                    self._keep(prompt, reply, identity)
                    on_progress("ranking tokens", total - len(left) + start + number, total)

    def _same_as_before(self, identity: str) -> None:
        rows = list(self.study.replies().values())
        if rows and rows[0]["identity"] != identity:
            raise LimaError(
                f"{self.tuned.name} has changed since it replied to the first {len(rows)} prompts of study {self.study.id}. "
                "Put back what it was, or begin another study with --name."
            )

    def _keep(self, prompt: StudyPrompt, reply: Reply, identity: str) -> None:
        system = self.study.systems()[0].name
        row = {
            **{"system": system, "prompt": prompt.id, "sample": 0, "reply": storable(reply.text), "stop": reply.stop},
            **{"seconds": reply.seconds, "error": "", "identity": identity, "version": identity[:12], "date": now()},
        }
        tokens = list(self._tokens(prompt, reply))
        with self.study.store.write() as db:
            self.study.keep_reply(db, row)
            db.table("study_tokens").insert_all({"study": self.study.id, "prompt": prompt.id, **one} for one in tokens)

    def _tokens(self, prompt: StudyPrompt, reply: Reply) -> Sequence[dict[str, Any]]:
        before = self.base.prompt_ids(prompt.text) if self.own_prompt else reply.prompt_ids
        self._check_known([*before, *reply.ids])
        found: list[Place] = places(self.base.model, before, reply.ids) if reply.ids else []
        decode = self.base.tokenizer.decode
        return [
            {
                **{
                    "position": position,
                    "token": token,
                    "text": storable(text),
                    "rank": place.rank,
                    "nats": place.nats,
                },
                "first": storable(decode([place.first])),
            }
            for position, (token, text, place) in enumerate(
                zip(reply.ids, pieces(self.tuned.tokenizer, reply.ids), found, strict=True), 1
            )
        ]

    def _check_known(self, ids: Sequence[int]) -> None:
        """LimaError for a token that the base does not have, or has as another one"""
        rows = self.base.model.get_input_embeddings().weight.shape[0]
        own = self.tuned.tokenizer.convert_ids_to_tokens(list(ids))
        bases = self.base.tokenizer.convert_ids_to_tokens([i if i < rows else 0 for i in ids])
        for id, here, there in zip(ids, own, bases, strict=True):
            if id >= rows or here != there:
                raise LimaError(
                    f"{self.tuned.name} uses the token {here!r} ({id}), which {self.base.name} does not have. Name the base that "
                    "it was fine-tuned from; where only its format adds tokens, have the base read requests in one of its own, "
                    "such as --base 'in-context:BASE?k=0'."
                )


def _seed(prompt: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{prompt}".encode("utf-8", "surrogatepass")).digest()[:6], "big")
