"""A data set of the Hub, row by row through the library `datasets`, which asks with the token of this user's login.

No code of a data set is run: `datasets` refuses loading scripts, and nothing here allows them. Whatever goes wrong is a sentence,
with the command that fetches a copy where that helps. Knows nothing of what rows mean.
"""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from lima import LimaError, Row, visible
from lima_hub.card import licence_of
from lima_hub.options import Asked

PAGE = "https://huggingface.co/datasets/"
_CHOICES = re.compile(
    r"(?:Bad (split): |BuilderConfig )'?([^'.]+?)'?(?:\. | not found\. )Available(?: splits)?: (\[.*?\])"
)
"What `datasets` says of a split, or a configuration, that a data set does not have"


@dataclass(frozen=True)
class Facts:
    """What the Hub says of a data set"""

    licence: str
    revision: str
    "The commit"


def facts_of(asked: Asked) -> Facts:
    """Licence and commit of a data set; LimaError where the Hub does not say"""
    _check_installed(asked)
    from huggingface_hub import HfApi, constants

    with _named(asked):
        seconds = float(constants.HF_HUB_ETAG_TIMEOUT)
        found = HfApi().dataset_info(asked.name, revision=asked.revision or None, timeout=seconds)
        card = found.card_data.to_dict() if found.card_data else {}
        return Facts(licence_of(card), found.sha or asked.revision)


def remote_rows(asked: Asked, revision: str) -> Iterator[Row]:
    """The rows of the split as they come, up to the limit; LimaError where they cannot be read"""
    import datasets

    with _named(asked):
        split, config = asked.options.split, asked.options.config or None
        found = datasets.load_dataset(asked.name, config, split=split, streaming=True, revision=revision or None)
        found = found.decode(False)  # pictures and sounds stay bytes, and are refused
        label = f"{asked.name} ({asked.options.split})"
        for number, value in enumerate(islice(found, asked.options.limit or None), 1):
            yield Row(label, number, number, value, unit="row", label=label)


def _check_installed(asked: Asked) -> None:
    if importlib.util.find_spec("datasets") is None:
        raise LimaError(
            f"A data set by name is read through the library datasets: `pip install 'lima-hub[datasets]'`. {_copy(asked)}"
        )


@contextmanager
def _named(asked: Asked) -> Iterator[None]:
    """Whatever the libraries raise within is a LimaError that says what to do"""
    try:
        yield
    except LimaError:
        raise
    except Exception as e:  # of five libraries, whose kinds of errors change
        raise LimaError(_said(asked, e)) from e


def _copy(asked: Asked) -> str:
    """How a copy is fetched and read"""
    folder, query = asked.name.rpartition("/")[2], asked.argument.partition("?")[2]
    revision = f" --revision {asked.revision}" if asked.revision else ""
    named = f"hub:./{folder}{'?' if query else ''}{query}"
    return f"To read a copy: `hf download --repo-type dataset {asked.name}{revision} --local-dir {folder}`, then {visible(named)}"


def _said(asked: Asked, e: Exception) -> str:
    """What went wrong, by what the error, or what it came from, is called"""
    names, texts = set[str](), list[str]()
    one: BaseException | None = e
    while one is not None and len(texts) < 10:
        names |= {kind.__name__ for kind in type(one).__mro__}
        texts.append(str(one))
        one = one.__cause__ or one.__context__
    whole, name = " ".join(texts), asked.name
    if "OfflineModeIsEnabled" in names or "offline mode is enabled" in whole.lower():
        return f"{name} is not asked for, because HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set. {_copy(asked)}"
    if "GatedRepoError" in names or "gated dataset" in whole:
        return f"{name} is gated: accept its terms at {PAGE}{name}, and log in with `hf auth login`. {_copy(asked)}"
    if "RevisionNotFoundError" in names:
        return f"{name} has no revision {visible(asked.revision)!r}: see {PAGE}{name}."
    if names & {"RepositoryNotFoundError", "DatasetNotFoundError"}:
        return f"The Hub has no data set {name}, or it is private: see {PAGE}{name}, or log in with `hf auth login`."
    if found := _CHOICES.search(whole):
        what = "split" if found[1] == "split" else "config"
        listed = [visible(one) for one in re.findall(r"'([^']+)'", found[3])]
        choice = f"{name}{f'@{asked.revision}' if asked.revision else ''}?{what}={listed[0] if listed else '…'}"
        return f"{name} has no {what} {visible(found[2])!r}, but {', '.join(listed[:30]) or 'none'}. Choose one: hub:{choice}"
    if "scripts are no longer supported" in whole:
        return f"{name} has a loading script, which is not run. {_copy(asked)}"
    if any("Timeout" in one for one in names):
        return f"The Hub did not answer in time while {name} was read. Try again later. {_copy(asked)}"
    if names & {"ConnectError", "ConnectionError", "NetworkError", "TransportError"}:
        return f"The Hub cannot be reached, so {name} cannot be read. {_copy(asked)}"
    first = next((line for text in texts for line in text.splitlines() if line.strip()), type(e).__name__)
    return f"{name} cannot be read: {visible(first)[:300].rstrip('.')}. {_copy(asked)}"
