"""Tools: functions that a row describes, calls that an assistant makes, and the answers to them.

OpenAI's shape, whatever the file's: a call is {"type", "id", "function": {"name", "arguments"}}, arguments an object. Knows
nothing of how a template writes them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lima import LimaError, kind_of
from lima_chat.conversation import Turn
from lima_chat.formats.values import from_text, plain_json, text_of, whole_text

CALL = '{"type": "function", "function": {"name": "…", "arguments": {…}}}'


_CALL_KEYS = {"type", "id", "index", "function", "name", "arguments", "parameters"}


def described(row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The functions that a row offers, under `tools` or OpenAI's older `functions`, as the file has them"""
    given = [key for key in ("tools", "functions") if row.get(key)]
    if len(given) > 1:
        raise LimaError("the row has both 'tools' and 'functions'. Leave one of them.")
    if not given:
        return ()
    key = given[0]
    found = from_text(row[key], key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise LimaError(f"{key!r} is {kind_of(found)}; expected a list of objects that describe functions.")
    return tuple(plain_json(found, f"{key!r}"))


def calls(message: Mapping[str, Any], what: str) -> tuple[dict[str, Any], ...]:
    """The calls of a message, under `tool_calls` or OpenAI's older `function_call`"""
    if message.get("tool_calls") and message.get("function_call"):
        raise LimaError(f"{what} has both 'tool_calls' and 'function_call'. Leave one of them.")
    given = from_text(message.get("tool_calls"), "tool_calls") or message.get("function_call")
    if not given:
        return ()
    return called(given, what)


def called(given: Any, what: str) -> tuple[dict[str, Any], ...]:
    """Calls in OpenAI's shape, from that or from {"name", "arguments"} alone, one or a list"""
    return tuple(_call(one, what) for one in (given if isinstance(given, list) else [given]))


def _call(given: Any, what: str) -> dict[str, Any]:
    function = given.get("function", given) if isinstance(given, dict) else given
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise LimaError(f"{what} has a call that is not in the shape {CALL}.")
    if wrong := sorted((given.keys() - _CALL_KEYS) | (function.keys() - _CALL_KEYS)):
        raise LimaError(f"{what} has a call with {wrong[0]!r}, which is not understood; expected {CALL}.")
    arguments = function.get("arguments", function.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = from_text(arguments, "arguments") if arguments.strip() else {}
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise LimaError(
            f"{what} calls {function['name']!r} with arguments that are {kind_of(arguments)}; expected an object."
        )
    name = given.get("id")
    return {
        "type": "function",
        "id": whole_text(name, f"the id of a call of {what}") if isinstance(name, str) else "",
        "function": plain_json({"name": function["name"], "arguments": arguments}, f"a call of {what}"),
    }


def spelt_calls(text: str, what: str) -> tuple[dict[str, Any], ...]:
    """The calls that a text spells as JSON, as ShareGPT's turns from function_call do"""
    found = from_text(text, what)
    if not isinstance(found, dict | list):
        raise LimaError(f'{what} calls a tool, but its text is not JSON such as {{"name": …, "arguments": {{…}}}}.')
    return called(found, what)


def check_answers(turns: Sequence[Turn]) -> None:
    """LimaError where a tool answers a call that the turn before its answers does not make"""
    wanted: list[str] = []
    for number, turn in enumerate(turns, 1):
        if turn.role != "tool":
            wanted = [call["id"] for call in turn.tool_calls]
        elif turn.call_id and any(wanted) and turn.call_id not in wanted:
            raise LimaError(
                f"turn {number} answers the call {turn.call_id!r}, which the turn before does not make. Correct its id."
            )


def answered(message: Mapping[str, Any], role: str, what: str) -> str:
    """The id of the call that a tool's message answers, or ''"""
    if not message.get("tool_call_id"):
        return ""
    if role != "tool":
        raise LimaError(
            f"{what} is the {role}'s, and has 'tool_call_id', which only a tool's answer has. Leave it out."
        )
    return text_of(message, "tool_call_id", what)
