"""An assistant's calls of tools as a template takes them, and whether it writes them.

Most templates take a call's arguments as values, some only as the JSON text that OpenAI's format has. Knows nothing of rendering.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

Message = dict[str, Any]
PROBE: list[Message] = [
    {"role": "user", "content": "?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "id": "a1b2c3d4e", "function": {"name": "f", "arguments": {"x": "y"}}}],
    },
]
"What shows which of the two a template takes"


def given(messages: Sequence[Message], as_text: bool) -> list[Message]:
    """The messages with the arguments of all calls as JSON text, or as values"""
    return [
        m | {"tool_calls": [_given(call, as_text) for call in m["tool_calls"]]} if m.get("tool_calls") else m
        for m in messages
    ]


def _given(call: dict[str, Any], as_text: bool) -> dict[str, Any]:
    arguments = call["function"].get("arguments")
    if as_text and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    elif not as_text and isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:  # not JSON: left as it is
            return call
    return call | {"function": call["function"] | {"arguments": arguments}}


def left_out(call: dict[str, Any], text: str) -> str:
    """What a text lacks of a call, its name or an argument; empty if it has all"""
    function = _given(call, False)["function"]
    if str(name := function.get("name")) not in text:
        return f"the call of {name!r}"
    missing = [value for value in _leaves(function.get("arguments")) if not any(form in text for form in _forms(value))]
    return f"the argument {missing[0]!r} of the call of {name!r}" if missing else ""


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def _forms(value: Any) -> set[str]:
    """How a value may be written"""
    if not isinstance(value, str):
        return {str(value), json.dumps(value)}
    return {value, value.strip(), *(json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False))}
