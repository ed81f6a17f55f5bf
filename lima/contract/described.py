"""What objects of all kinds may say of themselves.

Knows nothing of the kinds.
"""

from typing import Annotated, Protocol, runtime_checkable

Filled = Annotated[str, "not empty"]
"Text that is not empty"


class Described(Protocol):
    """What a listing shows of an object"""

    description: Filled
    "One line for listings; of a source of files, the keys of its rows"


@runtime_checkable
class Licensed(Protocol):
    """An object that names the licence of what it brings"""

    licence: str
    "An SPDX name or a short sentence"
