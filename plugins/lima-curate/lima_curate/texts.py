"""What a filter, a card or a page reads of an example, whatever its kind: its messages, and its licence.

Knows nothing of what is done with them.
"""

from lima import Example, LimaError, Record
from lima_chat import Conversation, Turn

OWN = "the file's own"
"With what sources name, or begin to name, their licence whose rows may say one"
UNSAID = "not stated by the file"


def messages_of(record: Record) -> list[Turn]:
    """The messages of an example, in order, the user's and the assistant's; LimaError for a kind that has none"""
    if isinstance(record, Conversation):
        return list(record.turns)
    if isinstance(record, Example):
        return [Turn("user", record.prompt), Turn("assistant", record.response)]
    raise LimaError(f"Example {record.id!r} is a {type(record).__name__}, which has no messages.")


def stated(licence: str) -> str:
    """A source's licence for an example that names none; where the source leaves that to its file, the file has not said it"""
    return f"{UNSAID}{licence.removeprefix(OWN)}" if licence.startswith(OWN) else licence
