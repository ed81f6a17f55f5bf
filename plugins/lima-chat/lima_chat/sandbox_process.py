"""The process that renders chat templates: reads a template and its variables, writes the text or what went wrong.

`sandbox` runs this file with the seconds, the memory and the bytes of text that a render may take, and the folders to import
Jinja from. A request is two lines of JSON, a template and a list of variables, and each of these is answered by a line. The
environment is the one in which transformers renders chat templates, so the text is the same. What the sandbox cannot stop, a
loop or a single operation without end, is ended from outside: by `sandbox`, or by an alarm where that process is gone. Knows
nothing of lima, and imports nothing of it.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path.extend(sys.argv[4:])

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

LONGEST_REASON = 1000
LONGEST_OF_LITTLE = 1_000_000
"Characters of what a template raises that are passed on"


class _Generation(Extension):
    """`{% generation %}` … `{% endgeneration %}`: transformers marks the answer with it; we find the answer ourselves"""

    tags = {"generation"}

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # A call block, as there: names set inside do not leave it.
        return nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller: Callable[[], str]) -> str:
        return caller()


class _Dict:
    """`dict` without the class's other attributes"""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """`namespace` without names that begin with an underscore"""

    def __init__(*args: Any, **kwargs: Any) -> None:  # as Jinja's, so that `self` may be a name
        for name in (given := dict(*args[1:], **kwargs)):
            _refuse_private(name)
        Namespace.__init__(args[0], given)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


def _refuse_private(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace takes no name that begins with an underscore, such as {name!r}")


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(
    x: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(maxsize=64)
def compiled(request: bytes) -> Template:
    """The template of a request's first line: its source, and the date that it is rendered on"""
    source, now = decoded(request)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": datetime.fromisoformat(now).strftime,
        "dict": _Dict(),
        "namespace": _Namespace,
    }
    return environment.from_string(source)


def rendered(template: Template, variables: dict[str, Any], longest: int) -> dict[str, Any]:
    """The text, or what the template raised and in which line"""
    pieces, length = [], 0
    try:
        for piece in template.root_render_func(template.new_context(variables)):
            pieces.append(piece)
            length += len(piece)
            if length > longest:
                return {"long": longest}
        return {"text": "".join(pieces)}
    except MemoryError:
        raise
    # A template is somebody else's program: whatever it raises is reported as its error.
    except Exception as e:
        what = f"{e}" if isinstance(e, TemplateError) else f"{type(e).__name__}: {e}"
        return {"failed": what[:LONGEST_REASON], "line": _line(template, e)}


def _line(template: Template, error: Exception) -> int:
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def answers(template: bytes, each: bytes, longest: int) -> Iterator[bytes]:
    """The line that answers each render of a request, up to one that fails; for the variables `null` nothing is rendered"""
    # No honest template writes twenty times what it is given; what does would take a tokenizer minutes that nothing interrupts.
    # Of each render by itself: what else is asked for in the same request must make no difference.
    try:
        made = compiled(template)
        for variables in decoded(each):
            most = min(longest, LONGEST_OF_LITTLE + 20 * (len(template) + len(encoded(variables))))
            reply = {"text": ""} if variables is None else rendered(made, variables, most)
            line = encoded(reply)
            if len(line) > most:
                reply, line = {"long": most}, encoded({"long": most})
            yield line
            if "text" not in reply:
                return
    except MemoryError:
        yield encoded({"memory": True})
    except TemplateSyntaxError as e:
        yield encoded({"syntax": f"{e.message}"[:LONGEST_REASON], "line": e.lineno})
    except Exception as e:
        yield encoded({"failed": f"{type(e).__name__}: {e}"[:LONGEST_REASON], "line": 0})


def encoded(value: Any) -> bytes:
    """A line of JSON. Surrogates pass as they are: escaped, a pair of them would come back as one character"""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def decoded(line: bytes) -> Any:
    """The inverse of `encoded`"""
    return json.loads(line.decode("utf-8", "surrogatepass"))


def _limit_memory(most: int) -> None:
    """Let the kernel refuse more memory, where it can: macOS does not, and then only time is limited"""
    import resource

    for kind, limit in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, hard) if hard == resource.RLIM_INFINITY else (min(limit, hard), hard))


def main() -> None:
    """Answer requests until there are no more, which is also when the other process has ended"""
    seconds, memory, longest = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # Whatever the program that started us does about signals: an alarm ends this process, within a single operation, too.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _limit_memory(memory)
    with suppress(ConnectionError):
        _say(encoded("ready"))
        while (template := sys.stdin.buffer.readline()) and (each := sys.stdin.buffer.readline()):
            lines = answers(template, each, longest)
            while True:
                signal.setitimer(signal.ITIMER_REAL, seconds)
                line = next(lines, None)
                signal.setitimer(signal.ITIMER_REAL, 0)  # the reader may take any time
                if line is None:
                    break
                _say(line)


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
