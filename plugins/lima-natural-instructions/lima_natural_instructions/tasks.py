"""A task file as it streams by: what stands around the instances, and each instance, in memory that does not grow with the file.

ijson reads the JSON; what it would change or hide, such as half characters, is found beside it. Knows nothing of which tasks are
wanted.
"""

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import ijson

from lima import LimaError, NotJson, parse_json, read_bytes, visible

LONGEST = 16 * 1024 * 1024
"Bytes of an instance, or of anything else that is kept of a file"
DEEPEST = 64
"Levels of lists and objects in a task"
WHOLE = 256 * 1024 * 1024
"Bytes of a file that is read as a whole to say where it is broken"
INSTANCES = "Instances"
KEPT = (
    "Contributors",
    "Source",
    "URL",
    "Categories",
    "Definition",
    "Input_language",
    "Output_language",
    "Instance License",
)
"Keys of a task that are looked at beside its instances"
_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"What may be the escape for half of a character alone, which ijson would read as '?'"
_STARTS = ("start_map", "start_array")
_ENDS = ("end_map", "end_array")


class TaskFile:
    """One task; `head` has what was read so far of the keys in KEPT"""

    def __init__(self, path: Path) -> None:
        self.path, self._name = path, visible(str(path))
        self.head = dict[str, Any]()

    def instances(self) -> Generator[tuple[int, Any], None, None]:
        """(number from 1, the value) of each instance; LimaError with the place where the file cannot be read"""
        try:
            with open(self.path, "rb") as file:
                stream = _Counted(file, self.path)
                yield from self._read(iter(ijson.basic_parse(stream, use_float=True)), stream)
                if stream.half:  # then a strict parser decides
                    self._check_whole()
        except (ijson.JSONError, UnicodeDecodeError) as e:
            raise self._broken(str(e), stream.before, stream.count) from None
        except OSError as e:
            raise LimaError(f"Cannot read {self._name}: {e.strerror or e}.") from None

    def _read(self, events: Iterator[tuple[str, Any]], stream: "_Counted") -> Iterator[tuple[int, Any]]:
        key, builder, number, level, seen = "", ijson.ObjectBuilder(), 0, 0, set[str]()
        if next(events)[0] != "start_map":
            raise LimaError(f"{self._name} is not a task: expected an object with Definition and Instances.")
        for event, value in events:
            if level == 0:  # between the members of the task: a key, or the end
                if event == "map_key":
                    key, level, stream.mark = self._key(value, seen), 1, stream.count
                continue
            if key == INSTANCES and level == 1:
                if event != "start_array":
                    raise LimaError(f"{self._name}: its Instances are not a list.")
                level = 2
                continue
            if key == INSTANCES and level == 2 and event == "end_array":
                level = 0
                continue
            level += (event in _STARTS) - (event in _ENDS)
            if level > DEEPEST:
                raise LimaError(f"{self._name}, after byte {stream.mark:,}: it is nested too deeply for a task.")
            if key == INSTANCES or key in KEPT:
                builder.event(event, value)
            if level > (2 if key == INSTANCES else 1):
                continue
            if key == INSTANCES:
                number += 1
                yield number, builder.value
            else:
                level = 0
                if key in KEPT:
                    self.head[key] = builder.value
            builder, stream.mark = ijson.ObjectBuilder(), stream.count
        if INSTANCES not in seen:
            found = visible(", ".join(sorted(seen)[:8])) or "none"
            raise LimaError(f"{self._name} is not a task: it has no Instances. Its keys are {found}.")

    def _key(self, key: str, seen: set[str]) -> str:
        """The key of a member; LimaError for one that was there before"""
        if key in seen:
            raise LimaError(f"{self._name} has the key {visible(key[:40])!r} twice. Leave one of them.")
        seen.add(key)
        return key

    def _check_whole(self) -> None:
        if self.path.stat().st_size > WHOLE:
            raise LimaError(
                f"{self._name} may hold half of a character (a lone surrogate), and is too large to say where."
            )
        try:
            parse_json(read_bytes(self.path))
        except NotJson as e:
            raise LimaError(f"{self._name} {visible(str(e))}.") from None

    def _broken(self, what: str, before: int, count: int) -> LimaError:
        """The error for what is not JSON: with line and column where a strict parser finds them, too"""
        if count == 0:
            return LimaError(f"{self._name} is empty. Expected a task: an object with Definition and Instances.")
        if self.path.stat().st_size <= WHOLE:
            self._check_whole()
        reason = what.removeprefix("b'").partition("\n")[0].partition("\\n")[0]
        return LimaError(
            f"{self._name}, between bytes {before:,} and {count:,}: it is not JSON ({visible(reason)}). Download it again."
        )


class _Counted:
    """A file whose bytes are counted, without a mark of their order at the start"""

    def __init__(self, file: Any, path: Path) -> None:
        self.file, self.path = file, path
        self.before = self.count = self.mark = 0
        "`mark` is set where something ends, so that what follows is bounded"
        self.half = False
        self._tail, self._judged = b"", 0
        "The last bytes, and how many of them were looked at; the others wait for what follows"

    def read(self, size: int = -1) -> bytes:
        """The next bytes; LimaError where something is too long"""
        data: bytes = self.file.read(size)
        if not self.count:
            data = data.removeprefix(b"\xef\xbb\xbf")
        self.before, self.count = self.count, self.count + len(data)
        if self.count - self.mark > LONGEST:
            raise LimaError(
                f"{visible(str(self.path))}, after byte {self.mark:,}: an instance of more than {LONGEST:,} bytes. Leave it out."
            )
        window = self._tail + data
        cut = (
            max(len(window) - 11, self._judged) if data else len(window)
        )  # what may go on in the next bytes waits for them
        self.half = self.half or any(found.start() < cut for found in _HALF.finditer(window, self._judged))
        self._tail, self._judged = window[max(cut - 6, 0) :], min(cut, 6)
        return data
