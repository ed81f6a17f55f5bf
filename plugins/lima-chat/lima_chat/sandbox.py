"""Jinja templates from anywhere, run so that they can neither reach out nor run away.

The environment is transformers' own (immutable sandbox, `trim_blocks`, `lstrip_blocks`, loop controls, `raise_exception`,
`strftime_now`, `tojson`), so a template renders here as it does there. On top of it every render has a budget: loops, calls and
strings are paid for, before they are made where they could be huge, and a template that spends too much is an error. Knows
nothing of messages or tokens.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, MappingView, Sequence, Sized
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import do_format, make_attrgetter
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEscapeFormatter, SandboxedFormatter
from jinja2.utils import Namespace
from markupsafe import Markup, soft_str

from lima.errors import LimaError
from lima_chat.prices import PRICES, fields

BUDGET, FACTOR = 10_000_000, 20
"What a render may spend, in characters made, and how much more for each character it is given; a second or so at the worst"
LARGEST_NUMBER = 1_000_000
"The largest number that a template may hand to a function: widths and counts, never dates"
LARGEST_BITS = 4096
"The largest number that a template may compute"
LONGEST_TEMPLATE = 200_000
"Characters of a template's own text; the longest published ones have 20,000"
CALL, ROUND, PART = 40, 10, 8
"What a call, a round of a loop of unknown length, and a part of a loop's body cost: they take longer than a character"
PICKING = re.findall(
    r"\w+",
    "attr batch count d default dictsort first groupby items last length list map max min random reject rejectattr "
    "reverse select selectattr slice sort unique",
)
"Filters that hand things on without writing them out"


class Overspent(TemplateError):
    """A template that would take too long or make too much"""


class _CountingCode(CodeGenerator):
    """Compiles loops and `~` so that they are paid for; the rest goes through the environment's own methods"""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        parts = [part for statement in node.body for part in (statement, *statement.find_all(nodes.Node))]
        text = sum(len(part.data) for part in parts if isinstance(part, nodes.TemplateData))
        counted, cost = nodes.EnvironmentAttribute("rounds"), nodes.Const(1 + text + PART * len(parts))
        node.iter = nodes.Call(counted, [node.iter, cost], [], None, None, lineno=node.lineno)
        super().visit_For(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


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


class _PaidFormatter(SandboxedFormatter):
    """Formats one field after the other, each paid for before it is written"""

    _env: "Environment"

    def get_field(self, *args: Any) -> Any:
        found, first = super().get_field(*args)
        self._env.spend(ROUND)
        self._env.weigh(found)
        return found, first

    def format_field(self, value: Any, format_spec: str) -> str:
        self._env.pay_widths(re.findall(r"\d+", format_spec))
        return str(super().format_field(value, format_spec))


class _PaidEscapeFormatter(_PaidFormatter, SandboxedEscapeFormatter):
    pass


class _Namespace(Namespace):
    """Jinja's, which does not write out what is in it"""

    def __repr__(self) -> str:
        return "<Namespace>"


class Environment(ImmutableSandboxedEnvironment):
    """transformers' environment with a purse"""

    code_generator_class = _CountingCode
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        self.left = BUDGET
        self.size = 0
        # One date for all renders of a run: a template that writes today's must not change at midnight.
        self.today = datetime.now()
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], finalize=self.weigh
        )
        own = {"tojson": self._tojson, "join": self._join, "format": self._format}
        self.filters = {name: self._paid(name, f) for name, f in (self.filters | own).items()}
        # What pprint would write cannot be told before: it indents by the length of what it has written.
        del self.globals["lipsum"], self.filters["pprint"]
        self.globals["namespace"] = _Namespace
        self.globals["raise_exception"] = _raise
        self.globals["strftime_now"] = self.strftime_now

    def spend(self, amount: int) -> None:
        """Take from the budget of this render, or stop it; nothing gives back"""
        self.left -= max(0, amount)
        if self.left < 0:
            raise Overspent("it loops or writes without end")

    def rounds(self, iterable: Any, cost: int) -> Any:
        """The iterable of a loop, paid for: at once where its length is known, else round by round"""
        if isinstance(iterable, Sized):
            self.spend(len(iterable) * cost)
            return iterable
        return self._paid_rounds(iterable, cost)

    def _paid_rounds(self, iterable: Iterable[Any], cost: int) -> Iterator[Any]:
        for thing in iterable:
            self.spend(cost + ROUND)
            yield thing

    def joined(self, parts: tuple[Any, ...]) -> str:
        """What `~` makes"""
        self.weigh(parts)
        return "".join([p if type(p) is str else str(p) for p in parts])

    def weigh(self, value: Any, times: int = 1) -> Any:
        """Pay for writing a value out so many times, lists and what is in them included; gives it back"""
        if type(value) is str:
            self.spend(times * len(value))
            return value
        stack = [value]
        while stack:
            one = stack.pop()
            digits = one.bit_length() // 3 if isinstance(one, int) else 0
            self.spend(times * (len(one) if isinstance(one, str) else ROUND + digits))
            if isinstance(one, list | tuple | MappingView):
                stack.extend(one)
            elif isinstance(one, dict):
                stack.extend(one)
                stack.extend(one.values())
        return value

    def pay_widths(self, widths: Iterable[str]) -> None:
        """Pay for fields of these widths, in digits"""
        for width in widths:
            if len(width) > 6:
                raise Overspent("it formats to a width of millions")
            self.spend(int(width))

    def strftime_now(self, format: str) -> str:
        """Today's date, as `strftime` writes it"""
        self.spend(256 * len(format))  # as many as C may try to write
        return self.today.strftime(format)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = [n for n in (left, right) if isinstance(n, int)]
        if operator == "*":
            for thing in (left, right):
                if isinstance(thing, Sized):
                    self.spend(len(thing) * max(numbers, default=1))
        elif operator == "+":
            self.spend(sum(len(t) for t in (left, right) if isinstance(t, Sized)))
        elif operator == "%" and isinstance(left, str):
            self._pay_fields(left, right)
        if len(numbers) == 2 and operator in ("*", "**"):
            bits = numbers[0].bit_length()
            if (bits * numbers[1] if operator == "**" else bits + numbers[1].bit_length()) > LARGEST_BITS:
                raise Overspent(f"it computes {operator} of numbers too large")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        own = getattr(getattr(obj, "__wrapped__", obj), "__self__", None)
        name = getattr(obj, "__name__", "")
        self._check(name, (own, *args, *kwargs.values()))
        self.spend(CALL + (self.size if isinstance(obj, Macro) else 0))
        if isinstance(own, str):
            if name == "join":
                args = tuple(self._pieces(things, own) for things in args)
            elif name in PRICES:
                named = {key: value for key, value in kwargs.items() if not key.startswith("_")}  # Jinja adds its own
                self.spend(PRICES[name](own, *args, **named))
        made = super().call(context, obj, *args, **kwargs)
        if isinstance(made, bytes):
            raise Overspent(f"{name}() makes bytes, which are no text")
        self._pay_made(made)
        return made

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if super().wrap_str_format(value) is None:
            return None
        text = value.__self__
        formatter = _PaidEscapeFormatter(self, escape=text.escape) if isinstance(text, Markup) else _PaidFormatter(self)

        @wraps(value)
        def formatted(*args: Any, **kwargs: Any) -> str:
            if value.__name__ == "format_map":
                (kwargs,), args = args, ()
            return type(text)(formatter.vformat(text, args, kwargs))

        return formatted

    def _paid(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        passed = int(hasattr(function, "jinja_pass_arg"))  # Jinja hands its own context on first

        @wraps(function)  # keeps the mark of it
        def paid(*args: Any, **kwargs: Any) -> Any:
            given = (*args[passed:], *kwargs.values())
            self._check(name, given)
            self.spend(CALL)
            if name not in PICKING:
                self.weigh([a for a in given if not isinstance(a, str)])
            if name in PRICES:
                self.spend(PRICES[name](*args[passed:], **kwargs))
            made = function(*args, **kwargs)
            self._pay_made(made)
            return made

        return paid

    def _check(self, name: str, values: Sequence[Any]) -> None:
        """Stop a call with a number that nothing needs"""
        if any(isinstance(v, int) and abs(v) > LARGEST_NUMBER for v in values):
            raise Overspent(f"it hands a number above {LARGEST_NUMBER:,} to {name!r}")

    def _pay_made(self, made: Any) -> None:
        self.spend(len(made) if isinstance(made, str | list | tuple | dict) else 1)

    def _pay_fields(self, text: str, values: Any) -> None:
        """Pay for what `text % values` writes"""
        given = values if isinstance(values, tuple) else (values,)
        self._check("format", given)
        self.spend(len(text) + ROUND * text.count("%"))
        written = [width for field in fields(text) for width in field]
        widest = max((abs(v) for v in given if isinstance(v, int)), default=0)
        self.spend(written.count("*") * widest)
        self.pay_widths(filter(str.isdigit, written))
        # Each value of a tuple is written once, each one of a dictionary as often as it is named.
        self.weigh(values, times=max(1, len(written) // 2) if isinstance(values, dict) else 1)

    def _pieces(self, things: Iterable[Any], between: str) -> Iterator[Any]:
        """What is to be joined, each paid for with what comes between"""
        for thing in things:
            self.spend(1 + len(between))
            yield self.weigh(thing)

    def _join(self, value: Iterable[Any], d: Any = "", attribute: str | int | None = None) -> str:
        if attribute is not None:
            value = map(make_attrgetter(self, attribute), value)
        return str(d).join(map(str, self._pieces(value, str(d))))

    def _format(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = soft_str(value)
        self._pay_fields(text, kwargs or args)
        return do_format(text, *args, **kwargs)

    def _tojson(
        self,
        x: Any,
        ensure_ascii: bool = False,
        indent: int | str | None = None,
        separators: Any = None,
        sort_keys: bool = False,
    ) -> str:
        encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
        return "".join(map(self.weigh, encoder.iterencode(x)))


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


class Template:
    """One compiled template"""

    def __init__(self, name: str, source: str, head: int = 0) -> None:
        self.name = name
        self._head = head  # lines of the file before the source
        if len(source) > LONGEST_TEMPLATE:
            raise LimaError(
                f"The template {name} has {len(source):,} characters; at most {LONGEST_TEMPLATE:,} are read."
            )
        self._environment = Environment()
        self._environment.size = len(source)
        try:
            self._template = self._environment.from_string(source)
        except TemplateSyntaxError as e:
            raise LimaError(
                f"The template {name}, line {head + e.lineno}: {str(e.message).rstrip('.')}. Correct it there."
            ) from None
        except (TemplateError, RecursionError, SyntaxError) as e:
            raise LimaError(f"The template {name} is not one that Jinja can read: {e}") from None

    def render(self, variables: dict[str, Any], given: int = 0) -> str:
        """The text for these variables, which have `given` characters; LimaError with the template's line and message when it
        raises or overspends"""
        environment = self._environment
        environment.left = BUDGET + FACTOR * given
        pieces = []
        try:
            for piece in self._template.root_render_func(self._template.new_context(variables)):
                environment.left -= len(piece)
                if environment.left < 0:
                    raise Overspent("it loops or writes without end")
                pieces.append(piece)
        # A template is a program of somebody else's: whatever it raises is its own fault, and is said.
        except Exception as e:
            what = f"{e}" if isinstance(e, TemplateError) else f"{type(e).__name__}: {e}"
            stop = "" if what.endswith((".", "!", "?")) else "."
            raise LimaError(f"The template {self.name} failed{self._where(e)}: {what}{stop}") from e
        return "".join(pieces)

    def _where(self, error: Exception) -> str:
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals.get("__jinja_template__") is self._template:
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return f" in line {self._head + line}" if line else ""


@lru_cache(maxsize=64)
def compiled(name: str, source: str, head: int = 0) -> Template:
    """The template of that source, compiled once"""
    return Template(name, source, head)
