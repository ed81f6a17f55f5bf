"""The contracts of a model that answers, and of a base model to train from.

Knows nothing of how a model makes its replies.
"""

import copy
import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from lima.contract.answers import Reply, Sampling
from lima.contract.kinds import Fetches, Streams, TellsPrompts
from lima.errors import LimaError, PluginFailed
from lima.testing.contract import Contract, check, kept, within
from lima.testing.renderers import Said
from lima.testing.texts import LONG, PLAIN, WORLD

GREEDY = Sampling(temperature=0.0, max_new_tokens=12)
DRAWN = Sampling(temperature=1.0, top_p=1.0, repetition_penalty=1.0, max_new_tokens=12)


class ModelContract(Contract):
    """A model, as it is opened by NAME:ARGUMENT; it is asked with messages, unless `prompt()` makes something else of a text"""

    kind = "models"
    argument: ClassVar[str | None] = None
    "What it is opened with, as in NAME:ARGUMENT"
    repeatable: ClassVar[bool] = True
    "Whether the same seed gives the same reply; of a server it may not"
    draws: ClassVar[bool] = False
    "Whether replies differ from seed to seed, at temperature 1"
    streams: ClassVar[bool] = False
    "Whether the opened model streams (`lima.Streams`)"
    tells_prompts: ClassVar[bool] = False
    "Whether the opened model tells the ids of a prompt (`lima.TellsPrompts`)"

    def prompt(self, text: str) -> Any:
        """What the model is asked with: by default one message of the user"""
        return (Said("user", text),)

    def prepare(self) -> None:
        """Make what the argument names, such as a file or a server, before the model is opened"""

    @kept
    def model(self) -> Any:
        """The model, opened"""
        self.prepare()
        spec = self.name if self.argument is None else f"{self.name}:{self.argument}"
        return self._plugins.registry(self.kind).open(spec, self.store)

    @property
    def prompts(self) -> list[Any]:
        """Several prompts"""
        return [self.prompt(one.prompt) for one in PLAIN]

    def ask(self, model: Any, prompts: Sequence[Any], settings: Sampling, seeds: Sequence[int], **more: Any) -> Any:
        """What the model replies: for one whose `reply` needs more than lima's contract says"""
        return model.reply(prompts, settings, seeds, **more)

    def replies(self, prompts: Sequence[Any], settings: Sampling = GREEDY, seeds: Any = None, **more: Any) -> list[Any]:
        """Its replies, each prompt with a seed of its own"""
        return list(
            self.ask(self.model, prompts, settings, list(range(len(prompts))) if seeds is None else seeds, **more)
        )

    def use(self) -> None:
        self.ask(self.bare(self.model), self.prompts, DRAWN, [1, 2, 3])

    @check("test_is_registered")
    def test_works(self) -> None:
        """It opens, and replies to each of several prompts"""
        found = self.replies(self.prompts)
        failed = [repr(one) for one in found if isinstance(one, Exception)]
        assert not failed, f"instead of a reply it returns {failed[0]}"
        assert len(found) == len(self.prompts), (
            f"to {len(self.prompts)} prompts it has {len(found)} replies; expected one each"
        )

    @check("test_works")
    def test_opened_abilities_are_those_that_are_named(self) -> None:
        """The opened model streams, and tells the ids of prompts, where the contract says so, and only there"""
        found = isinstance(self.model, Streams), isinstance(self.model, TellsPrompts)
        named = self.streams, self.tells_prompts
        assert found == named, f"it streams, tells prompts: {found}; `streams`, `tells_prompts` say {named}"

    @check("test_works", needs=("argument",))
    def test_name_has_the_argument(self) -> None:
        """Its name has the argument in it, or its last part: runs of the same name count as runs of the same model"""
        last = str(self.argument).rpartition("/")[2]
        assert last in self.model.name, f"opened with {self.argument!r} it calls itself {self.model.name!r}"

    @check("test_works")
    def test_replies_are_complete(self) -> None:
        """A reply says why it ended and how long it took, and is text that can be stored"""
        for reply in self.replies([*self.prompts, *(self.prompt(one.prompt) for one in WORLD)]):
            if isinstance(reply, Reply):
                assert reply.stop.strip(), f"{reply} does not say why it ended"
                assert reply.seconds >= 0, f"{reply} took less than no time"
                reply.text.encode()

    @check("test_works")
    def test_no_prompt_no_reply(self) -> None:
        """To no prompts it has no replies"""
        assert self.replies([]) == []

    @check("test_works", needs=("repeatable",))
    def test_same_seed_same_reply(self) -> None:
        """The same prompts with the same seeds have the same replies"""
        one, again = (_said(self.replies(self.prompts, DRAWN, [3, 4, 5])) for _ in range(2))
        assert one == again, (
            f"asked again with the same seeds it replies {again}, and not {one}: draw from a generator of the seed"
        )

    @check("test_same_seed_same_reply", needs=("repeatable",))
    def test_replies_are_in_the_order_of_prompts(self) -> None:
        """A reply depends on its prompt and its seed, not on its place or on those that are asked beside it"""
        together = _said(self.replies(self.prompts, DRAWN, [3, 4, 5]))
        turned = _said(self.replies(self.prompts[::-1], DRAWN, [5, 4, 3]))[::-1]
        alone = [_said(self.replies([p], DRAWN, [s]))[0] for p, s in zip(self.prompts, (3, 4, 5), strict=True)]
        assert together == turned, f"in another order it replies {turned}, and not {together}"
        assert together == alone, f"asked one by one it replies {alone}, and not {together}"

    @check("test_works", needs=("draws",))
    def test_another_seed_another_reply(self) -> None:
        """Of eight seeds at temperature 1, two at least have different replies"""
        found = _said(self.replies([self.prompts[0]] * 8, DRAWN, list(range(8))))
        assert len({*found}) > 1, f"with eight seeds it always replies {found[0]!r}: draw from a generator of the seed"

    @check("test_same_seed_same_reply", needs=("repeatable",))
    def test_temperature_0_is_greedy(self) -> None:
        """At temperature 0 the reply is the same whatever the seed"""
        found = _said(self.replies([self.prompts[0]] * 4, GREEDY, [1, 2, 3, 4]))
        assert len({*found}) == 1, f"at temperature 0 it replies {found[:2]}"

    @check("test_works")
    def test_no_reply_is_longer_than_asked(self) -> None:
        """Where a reply tells its ids, they are not more than `max_new_tokens`"""
        for reply in self.replies(self.prompts, replace(DRAWN, max_new_tokens=2)):
            ids = getattr(reply, "ids", [])
            assert len(ids) <= 2, f"with max_new_tokens = 2 a reply has {len(ids)} ids"

    @check("test_works")
    def test_progress_counts_replies(self) -> None:
        """`on_progress` is called with the number of replies since its last call: in the end there are as many as prompts"""
        told: list[int] = []
        self.replies(self.prompts, on_progress=told.append)
        assert sum(told) in (0, len(self.prompts)), f"of {len(self.prompts)} replies on_progress was told {told}"

    @check("test_works")
    def test_replies_that_are_handed_over(self) -> None:
        """Where `reply` takes `on_reply`, it hands over each reply once, with its place from 0"""
        if "on_reply" not in inspect.signature(self.bare(self.model).reply).parameters:
            return
        told: list[tuple[int, Any]] = []
        found = self.replies(self.prompts, on_reply=lambda *one: told.append(one))
        places = [place for place, _ in told]
        assert sorted(places) == list(range(len(found))), f"it hands over the places {places}"
        assert all(reply == found[at] for at, reply in told), "it hands over other replies than it returns"

    @check("test_works")
    def test_changes_no_prompt(self) -> None:
        """It changes nothing of the prompts that it is given"""
        given = [list(one) if isinstance(one, tuple) else copy.deepcopy(one) for one in self.prompts]
        before = copy.deepcopy(given)
        self.ask(self.bare(self.model), given, GREEDY, [0, 1, 2])
        assert given == before, "it changes the prompts that it is given: work on a copy"

    @check("test_works")
    def test_long_prompts(self) -> None:
        """To a prompt of 100,000 characters it replies, or says why it cannot, and soon"""
        prompt = self.prompt(LONG.answer)
        with within(self.seconds, "a prompt of 100,000 characters"):
            try:
                self.ask(self.model, [prompt], GREEDY, [0])
            except PluginFailed:
                raise
            except LimaError:
                return

    @check("test_opened_abilities_are_those_that_are_named", needs=("streams",))
    def test_pieces_make_the_reply(self) -> None:
        """The pieces that it streams are the text of the reply that it returns in the end"""
        pieces: list[str] = []
        stream = self.model.stream(self.prompts[0], GREEDY, 0)
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as e:
                reply = e.value
                break
        assert "".join(pieces) == reply.text, f"it streams {''.join(pieces)!r} and returns {reply.text!r}"
        if self.repeatable:
            assert reply.text == _said(self.replies([self.prompts[0]], GREEDY, [0]))[0], "stream() and reply() differ"

    @check("test_opened_abilities_are_those_that_are_named", needs=("tells_prompts",))
    def test_tells_the_prompts_that_it_reads(self) -> None:
        """The ids that it tells of a prompt are those that a reply says it was prompted with"""
        for prompt, reply in zip(self.prompts, self.replies(self.prompts), strict=True):
            ids = self.model.prompt_ids(prompt)
            assert reply.prompt_ids in ([], ids), f"it tells {ids} and was prompted with {reply.prompt_ids}"

    @check("test_is_registered")
    def test_unknown_argument_is_an_error(self) -> None:
        """What it cannot open is a LimaError, at the latest when it is asked"""
        spec = f"{self.name}:{self.folder / 'nothing-there'}"
        try:
            model = self._plugins.registry(self.kind).open(spec, self.store)
            found = self.ask(model, [self.prompt("Why?")], GREEDY, [0])
        except PluginFailed as e:
            raise AssertionError(f"opened with a path that is not there it fails: {e}") from e
        except LimaError:
            return
        assert isinstance(found[0], Exception), f"opened with a path that is not there it replies {found[0]!r}"


def _said(replies: Sequence[Any]) -> list[str]:
    return [one.text if isinstance(one, Reply) else repr(one) for one in replies]


class BaseModelContract(Contract):
    """A base model, whose folder is complete; one that must be fetched is not fetched by the kit"""

    kind = "base_models"

    @kept
    def there(self) -> Path | None:
        """Its folder; None where it must be fetched first"""
        try:
            return Path(self.thing.folder())
        except PluginFailed:
            raise
        except LimaError:
            if not isinstance(self.own, Fetches):
                raise
            return None

    def use(self) -> None:
        if self.there:
            self.own.folder()

    @check("test_is_registered")
    def test_works(self) -> None:
        """It names a folder that is there, or must be fetched first"""
        assert self.there is None or self.there.is_dir(), f"its folder {self.there} is not there"

    @check("test_works")
    def test_same_twice(self) -> None:
        """Its folder is the same when it is asked for again, from whatever directory"""
        if self.there:
            assert Path(self.thing.folder()) == self.there, "asked again, it names another folder"
            assert self.there.is_absolute(), f"{self.there} depends on where lima is started: name it from the root"

    @check("test_same_twice")
    def test_folder_is_complete(self) -> None:
        """The folder has a configuration, a tokenizer and weights that lima can train from"""
        from lima.model.folder import check_folder, check_trainable, check_vocabulary, load_config, load_tokenizer

        if self.there:
            folder = check_folder(self.there)
            config = load_config(folder)
            check_trainable(config)
            check_vocabulary(load_tokenizer(folder), config)

    @check("test_works", needs=(Fetches,))
    def test_says_how_it_is_fetched(self) -> None:
        """As long as it is not there, asking for its folder is a LimaError that names the command"""
        try:
            self.thing.folder()
        except PluginFailed as e:
            raise AssertionError(str(e)) from e
        except LimaError as e:
            said = str(e)
        else:
            return
        assert f"lima base-models fetch {self.name}" in said, f"it says {said}; expected the command that fetches it"
