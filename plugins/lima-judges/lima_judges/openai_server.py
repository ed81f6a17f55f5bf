"""Any server with OpenAI's chat completions, `openai:URL#NAME`, through the openai package.

Redirects are not followed, an answer may be neither larger than `LARGEST` nor later than the timeout, and a key goes only to the
address that was named. The package loads with the first batch. Knows nothing of retries.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lima import LimaError, NotJson, parse_json
from lima_judges.api_model import Answer, ApiModel, Ask, Question
from lima_judges.failures import failure, hidden, shortened
from lima_judges.options import check_address, check_known, divided, on_this_machine
from lima_judges.policy import Passing, Policy, Stopped
from lima_judges.spending import purse_of

if TYPE_CHECKING:
    from openai import OpenAI

LARGEST = 16 * 2**20
"Bytes of the largest answer that is read"
KEY = "OPENAI_API_KEY"
OPTIONS = {
    "send": "which settings are sent, with commas between (default: temperature,top_p,max_tokens,seed)",
    "key": f"the environment variable with the key (default: {KEY})",
    "plain_http": "yes: the address may be http on another machine; a key is sent only if `key` names it",
}
"The options of `openai:URL#NAME?…`, and what each is"
SENT = ("temperature", "top_p", "max_tokens", "seed")
SENDABLE = (*SENT, "max_completion_tokens", "repetition_penalty")
"Settings by the names that servers know"


def settings_of(question: Question) -> dict[str, Any]:
    """The value of each of SENDABLE"""
    sampling = question.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
        "max_completion_tokens": sampling.max_new_tokens,
        "repetition_penalty": sampling.repetition_penalty,
        "seed": question.seed % 2**31,  # some servers take 32 bits
    }


class OpenAIServers:
    """`openai:URL#NAME`, any server with OpenAI's chat completions"""

    description = "any OpenAI-compatible server: openai:URL#NAME, such as openai:http://127.0.0.1:8000/v1#llama"

    def open(self, argument: str | None, store: Any) -> ApiModel:
        """The model; LimaError for an address that is not allowed, and for unknown options"""
        rest, options = divided(argument or "")
        url, _, model = rest.partition("#")
        if not url or not model:
            raise LimaError(
                f"Name the server and its model: openai:URL#NAME, such as openai:http://127.0.0.1:8000/v1#qwen, not {argument!r}."
            )
        check_known(options, OPTIONS, "openai:URL#NAME")
        return ApiModel(OpenAIServer(url, model, options), store, purse_of(store))


class OpenAIServer:
    """One model of one server"""

    def __init__(self, url: str, model: str, options: Mapping[str, str]) -> None:
        plain = options.get("plain_http", "no")
        if plain not in ("yes", "no"):
            raise LimaError(f"The option 'plain_http' is {plain!r}; expected yes or no.")
        check_address(url, plain == "yes")
        self.url, self.model, self.name = url, model, f"openai:{url}#{model}"
        self.sent = tuple(name.strip() for name in options.get("send", ",".join(SENT)).split(",") if name.strip())
        check_known(dict.fromkeys(self.sent, ""), dict.fromkeys(SENDABLE, ""), "send=…")
        unencrypted = url.startswith("http:") and not on_this_machine(url)
        self.key = options.get("key") or ("" if unencrypted else KEY)
        if "key" in options and not os.environ.get(self.key):
            raise LimaError(f"The environment variable {self.key!r}, which the option 'key' names, is not set.")

    def identity(self) -> str:
        """Address, name, and which settings are sent"""
        return f"{self.name} send={','.join(self.sent)}"

    @contextmanager
    def session(self, policy: Policy) -> Iterator[Ask]:
        """A client for one batch, closed afterwards with all its connections"""
        from openai import DefaultHttpxClient, OpenAI

        http = DefaultHttpxClient(
            follow_redirects=False,
            # A proxy of the environment is for other machines.
            trust_env=not on_this_machine(self.url),
            event_hooks={"response": [_refused]},
        )
        with OpenAI(base_url=self.url, api_key=self._key() or "none", max_retries=0, http_client=http) as client:
            yield lambda question, seconds, stop: self._ask(client, question, seconds, stop)

    def _ask(self, client: "OpenAI", question: Question, seconds: float, stop: threading.Event) -> Answer:
        import httpx2
        from openai import APIConnectionError, APITimeoutError

        values, until = settings_of(question), time.monotonic() + seconds
        messages: Any = [{"role": role, "content": content} for role, content in question.messages]
        late = f"{self.name} did not finish an answer within {seconds:g} seconds."
        try:
            with client.chat.completions.with_streaming_response.create(
                model=self.model,
                messages=messages,
                extra_body={name: values[name] for name in self.sent},
                timeout=seconds,
            ) as response:
                body = _read(response.iter_bytes(), until, stop, late)
        except Exception as e:
            refused = next((x for x in (e, e.__cause__) if isinstance(x, _Refused)), None)
            if refused:
                known = refused.without(self._key())
                raise failure(self.name, known.status, known.headers, known.body, known.error()) from None
            if isinstance(e, APITimeoutError | httpx2.TimeoutException):
                raise Passing(late) from None
            if isinstance(e, APIConnectionError | httpx2.HTTPError):
                raise Passing(
                    f"{self.name} cannot be reached, or broke off: {shortened(str(e.__cause__ or e))}."
                ) from None
            raise
        return answer_of(
            self.name, hidden(body.decode("utf-8", "surrogateescape"), self._key()).encode("utf-8", "surrogateescape")
        )

    def _key(self) -> str:
        return os.environ.get(self.key, "")


class _Refused(Exception):
    """An answer that is not a success, with as much of its body as tells why"""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        super().__init__(status)
        self.status, self.headers, self.body = status, headers, body

    def without(self, key: str) -> "_Refused":
        """The same where it repeats a key"""
        headers = {name: hidden(value, key) for name, value in self.headers.items()}
        return _Refused(self.status, headers, hidden(self.body, key))

    def error(self) -> dict[str, Any]:
        """The object that describes the error, as OpenAI's API has it; empty where there is none"""
        try:
            found = parse_json(self.body)
        except LimaError:
            return {}
        error = found.get("error", found.get("detail", found)) if isinstance(found, dict) else {}
        return error if isinstance(error, dict) else {"message": str(error)}


def _refused(response: Any) -> None:
    """Raise _Refused for an answer that is not a success, before anybody reads all of it"""
    if response.is_success:
        return
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) >= 16_384:
            break
    raise _Refused(response.status_code, dict(response.headers), body[:16_384].decode("utf-8", "replace"))


def _read(pieces: Iterable[bytes], until: float, stop: threading.Event, late: str) -> bytes:
    """The body, which may be neither too large nor too late"""
    found = bytearray()
    for piece in pieces:
        found += piece
        if stop.is_set():
            raise Stopped
        if time.monotonic() > until:
            raise Passing(late)
        if len(found) > LARGEST:
            raise LimaError(
                f"The server answers with more than {LARGEST:,} bytes, far more than a reply has. Check the address."
            )
    return bytes(found)


def answer_of(who: str, body: bytes) -> Answer:
    """The answer in a chat completion; Passing for what a server under load may say, LimaError for what is something else"""
    try:
        value = parse_json(body)
    except NotJson as e:
        text = body[:16_384].decode("utf-8", "replace")
        if text.lstrip()[:1] == "<":
            raise LimaError(
                f"{who} answered with {shortened(text)}, not with a reply. Check the address, which usually ends in /v1."
            ) from None
        raise Passing(f"The answer of {who} {e}: {shortened(text) or 'it is empty'}.") from None
    error = value.get("error") if isinstance(value, dict) else None
    if error:
        known = error if isinstance(error, dict) else {"message": str(error)}
        code = known.get("code")
        raise failure(who, code if isinstance(code, int) else 500, {}, "", known)
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Passing(f"{who} answered without a choice: {shortened(body[:2_000].decode('utf-8', 'replace'))}.")
    message, usage = (x if isinstance(x, dict) else {} for x in (choices[0].get("message"), value.get("usage")))
    text, stop = _said(who, message, str(choices[0].get("finish_reason") or "stop")[:40])
    return Answer(
        text,
        stop,
        next((str(message[k]) for k in ("reasoning_content", "reasoning") if isinstance(message.get(k), str)), ""),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _cost(usage.get("cost")),
    )


def _said(who: str, message: Mapping[str, Any], stop: str) -> tuple[str, str]:
    """The text of a message and why it ended"""
    content = message.get("content")
    if isinstance(content, list):  # text in parts
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    if isinstance(content, str):
        return content, stop
    if isinstance(message.get("refusal"), str):
        return str(message["refusal"]), "refusal"
    if stop == "length":  # all of it was spent on thoughts
        return "", stop
    if stop == "content_filter":
        raise LimaError(f"{who} answered nothing: its filter stopped the reply.")
    raise Passing(f"{who} answered without a text (finish reason {shortened(stop)!r}).")


def _count(value: Any) -> int | None:
    """A number of tokens, if it can be one"""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _cost(value: Any) -> float | None:
    """US dollars, if it can be a sum of them: a budget must not grow by what a server claims"""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < 1e9 else None
