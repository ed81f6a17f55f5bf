"""The arguments of this plugin's models and graders: `REST?key=value&key=value`, and where a server may be.

Knows nothing of what the options mean.
"""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from lima import LimaError, did_you_mean

_OPTIONS = re.compile(r"\?(?=[a-z_]+=[^#]*$)")


def divided(argument: str) -> tuple[str, dict[str, str]]:
    """(what stands before the options, the options); values may be percent-encoded; LimaError for an option that comes twice"""
    places = [m.start() for m in _OPTIONS.finditer(argument)]
    rest, tail = (argument[: places[-1]], argument[places[-1] + 1 :]) if places else (argument, "")
    found: dict[str, str] = {}
    try:
        # A plus sign is one: parse_qsl would make a space of it.
        pairs = parse_qsl(tail.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True) if tail else []
    except ValueError:
        raise LimaError(f"{tail!r} is not a list of options. Write ?key=value, and & between several.") from None
    for key, value in pairs:
        if key in found:
            raise LimaError(f"The option {key!r} of {argument!r} comes twice. Keep one.")
        found[key] = value
    return rest, found


def joined(rest: str, options: Mapping[str, str]) -> str:
    """The argument that `divided` divides into these"""
    tail = "&".join(f"{key}={quote(value, safe=':/,.')}" for key, value in options.items())
    return f"{rest}?{tail}" if tail else rest


def check_known(options: Mapping[str, str], known: Mapping[str, str], what: str) -> None:
    """LimaError for an option that is not among the known ones"""
    for key in options:
        if key not in known:
            raise LimaError(f"{key!r} is not an option of {what}.{did_you_mean(key, known)}")


def whole(options: Mapping[str, str], key: str, default: int, least: int, most: int) -> int:
    """The whole number that an option has; LimaError for anything else"""
    text = options.get(key)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
        raise LimaError(f"The option {key!r} is {text!r}; expected a whole number from {least} to {most}.")
    return int(text)


def number_of(options: Mapping[str, str], key: str, default: float, most: float = 10.0) -> float:
    """The number from 0 that an option has; LimaError for anything else"""
    text = options.get(key)
    if text is None:
        return default
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        raise LimaError(f"The option {key!r} is {text!r}; expected a number from 0 to {most:g}.")
    return found


def check_address(url: str, plain_http: bool) -> None:
    """LimaError unless prompts and keys may go to this address: https anywhere, http on this machine or where it was asked for"""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as e:
        raise LimaError(f"{url!r} is not a web address: {e}.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise LimaError(f"{url!r} is not a web address. Write it like http://127.0.0.1:8000/v1 or https://HOST/v1.")
    if parts.username or parts.password:
        raise LimaError(f"The address of {host} has a name or a password in it. Put the key into the environment.")
    if parts.query:
        raise LimaError(f"The address {url!r} has a query. Leave out the question mark and what follows it.")
    if parts.scheme == "http" and not plain_http and not on_this_machine(url):
        raise LimaError(
            f"{url} is not encrypted and not on this machine: anybody on the way could read and change what is said. "
            "Use https, or add the option plain_http=yes."
        )


def on_this_machine(url: str) -> bool:
    """Whether an address is a loopback one"""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
