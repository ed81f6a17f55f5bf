"""What chooses the examples of a data set.

Knows nothing of where the examples come from, or of what is done with those that stay.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from lima.contract.described import Described
from lima.contract.examples import Excluded, Record


class Filter(Described, Protocol):
    """Says which examples to leave out of a data set, and why; whatever an example has, it stays or goes whole"""

    def excludes(self, examples: Sequence[Record]) -> Iterable[Excluded]:
        """What to leave out, each place once; the same for the same examples. LimaError where it cannot decide

        When a data set is made. The examples may be of several sources; of large ones they are read again each time."""


@runtime_checkable
class FilterOptions(Protocol):
    """A filter with options, which come from its table in the mix: itself with some of them set"""

    options: tuple[str, ...]
    "The keys of the table that it understands"

    def with_options(self, values: dict[str, Any]) -> Filter:
        """Another filter with these options; LimaError for a value that it cannot have

        Before `excludes`, where the mix has some of them."""


@runtime_checkable
class UsesStore(Protocol):
    """A filter that keeps something in the database, such as the votes of a judge"""

    def with_store(self, store: Any) -> Filter:
        """Another filter with the open database, a `lima.Store`

        Before `excludes`, where a command has one open; without it the filter must do, and keeps nothing."""
