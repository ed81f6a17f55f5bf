"""A chat template renders as in transformers, or is stopped at a limit of time, memory or length, and said to be."""

import json
import math
import re
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima import LimaError
from lima_chat import sandbox
from lima_chat.sandbox import Template, compiled

MESSAGES = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
SECONDS, MB = 0.3, 256


@pytest.fixture
def strict(monkeypatch):
    """Limits that are reached soon, in a process of the test's own"""
    worker = sandbox.Worker()
    monkeypatch.setattr(sandbox, "SECONDS", SECONDS)
    monkeypatch.setattr(sandbox, "MEMORY", MB * 2**20)
    monkeypatch.setattr(sandbox, "WORKER", worker)
    yield worker
    worker.stop()


def grown(expression, a="[ns.a, ns.a]", b="[ns.b, ns.b]"):
    """A template that doubles a thing forty times, and another, and then does something with them"""
    doubled = f"{{% for i in range(40) %}}{{% set ns.a = {a} %}}{{% set ns.b = {b} %}}{{% endfor %}}"
    return "{% set ns = namespace(a=[1], b=[1]) %}" + doubled + expression


def tuples(expression):
    return grown(expression, "(ns.a, ns.a)", "(ns.b, ns.b)").replace("[1]", "(1,)")


def often(body):
    return "{% set t = 'a' * 3000000 %}{% set u = t[1:] ~ 'a' %}{% for i in range(100000) %}" + body + "{% endfor %}"


M = "('a' * 1000000)"
INSIDE_ONE_OPERATION = [
    grown("{{ ns.a == ns.b }}"),
    grown("{{ ns.a < ns.b }}"),
    grown("{{ ns.a in [ns.b] }}"),
    grown("{{ [ns.a, ns.b]|max }}"),
    grown("{{ [ns.a, ns.b]|min }}"),
    grown("{{ [ns.a, ns.b]|sort }}"),
    grown("{{ [[ns.a], [ns.b]]|groupby(0)|list }}"),
    grown("{{ [ns.a].index(ns.b) }}"),
    grown("{{ [ns.a].count(ns.b) }}"),
    grown("{{ [ns.a]|select('eq', ns.b)|list }}"),
    grown("{% for x in [ns.a, ns.b] %}{{ loop.changed(x) }}{% endfor %}"),
    grown("{{ ns.a }}"),
    grown("{{ ns }}"),
    grown("{{ ns.a|tojson }}"),
    grown("{{ ns.a|pprint }}"),
    grown("{{ '%s' % ns.a }}"),
    grown("{{ '{!r}'.format(ns.a) }}"),
    grown("{{ raise_exception(ns.a) }}"),
    grown("{{ {}[ns.a|string] }}"),
    tuples("{{ [ns.a, ns.b]|unique|list }}"),
    tuples("{{ {ns.a: 1} }}"),
    tuples("{{ dict.fromkeys([ns.a]) }}"),
    tuples("{{ messages[0][ns.a] }}"),
    "{{ 7 ** (10 ** 8) }}",
    "{% set n = 7 ** 3000000 %}{% for i in range(1000) %}{% set x = n * n %}{% endfor %}",
    "{{ ([['a' * 100] * 3000] * 3000)|sum(start=[]) }}",
    f"{{{{ {M}.translate({{97: {M}}})|length }}}}",
    f"{{{{ {M}|wordwrap(1)|length }}}}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{0:{1}}'.format(1, 10**9) }}",
    "{{ ('%999999d' * 1000) % ((1,) * 1000) }}",
    "{{ lipsum(n=100000000) }}",
]
ROUND_BY_ROUND = [
    often("{% if t == u %}{% endif %}"),
    often("{% if 'b' in t %}{% endif %}"),
    often("{% set x = t|upper %}"),
    often("{% set x = t.count('b') %}"),
    often("{% set x = t ~ i %}"),
    often("{% set x = t[::-1] %}"),
    often("{% set x = t|list %}"),
    often("{% set x = t|trim('a') %}"),
    often("{% set x = [t, u]|unique|list %}"),
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}{% set a = i * j %}{% endfor %}{% endfor %}",
    "{% for i in range(100000)|map('string') %}{% for j in range(100000)|map('string') %}{% endfor %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
]
TOO_MUCH = [
    "{{ 'a' * 10**10 }}",
    "{{ 10**10 * 'a' }}",
    "{{ [0] * 10**9 }}",
    "{{ 'a'.ljust(10**10) }}",
    "{{ 'a'|center(10**10) }}",
    "{{ messages|tojson(indent=10**10) }}",
    "{{ 'a'|indent(10**10) }}",
    f"{{{{ {M}.replace('a', {M}) }}}}",
    f"{{{{ {M}|join({M}) }}}}",
    f"{{{{ ('{{0}}' * 100000).format({M}) }}}}",
    "{{ ('\t' * 1000000).expandtabs(1000000) }}",
    "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s|replace('a', ns.s) %}{% endfor %}",
    "{% set x %}{% for i in range(100000) %}" + "y" * 9000 + "{% endfor %}{% endset %}",
]
LENGTHY = ["{% for i in range(100000) %}" + "y" * 2000 + "{% endfor %}", "{{ 'a' * 60000000 }}"]
STOPPED = f"after {SECONDS} seconds"
FULL = f": it needs more than {MB} MB of memory"


def some(sources, *fast):
    """Each of these as a parameter; every one waits for a process, so all but some are of the slow suite"""
    return [pytest.param(s, id=f"{i}", marks=() if i in fast else pytest.mark.slow) for i, s in enumerate(sources)]


def said(source):
    """What the error says was the end of a template; it comes in time, and takes no memory of this process"""
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(LimaError, match=r"^The template 'bad' was stopped") as e:
            Template("'bad'", source).render({"messages": MESSAGES})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < SECONDS + 5  # a busy machine is given time, an endless loop is not
    assert peak < 20_000_000  # bytes
    what = str(e.value).removeprefix("The template 'bad' was stopped").lstrip()
    return what.removesuffix(". Correct it, or use another one; `lima renderers` lists them.")


@pytest.mark.parametrize("source", some(INSIDE_ONE_OPERATION, 0, 11, 19, 23, 26))
def test_a_single_operation_without_end_is_stopped(source, strict):
    assert said(source) in (STOPPED, FULL)


@pytest.mark.parametrize("source", some(ROUND_BY_ROUND, 0, 9, 12))
def test_a_loop_without_end_is_stopped(source, strict):
    assert said(source) == STOPPED


@pytest.mark.parametrize("source", some(TOO_MUCH, 0, 7, 11))
def test_what_needs_too_much_memory_is_stopped(source, strict, monkeypatch):
    monkeypatch.setattr("lima_chat.sandbox.SECONDS", 20)
    assert said(source) == FULL


@pytest.mark.parametrize("source", some(LENGTHY, 0))
def test_what_writes_too_much_is_stopped(source):
    assert re.fullmatch(r": it writes more than 1,0\d\d,\d\d\d bytes", said(source))


@pytest.mark.slow
def test_the_template_of_the_issue_is_stopped_at_the_limit_that_everybody_has():
    started = time.monotonic()
    with pytest.raises(
        LimaError, match=r"^The template 'bad' was stopped after 5 seconds\. Correct it, or use another one"
    ):
        Template("'bad'", grown("{{ ns.a == ns.b }}")).render({})
    assert 5 <= time.monotonic() - started < 10


def test_after_a_template_that_was_stopped_the_others_render(strict):
    good = Template("'good'", "{{ messages[0].content }}")
    bad = Template("'bad'", "{% if messages %}" + ROUND_BY_ROUND[-2] + "{% endif %}")
    assert bad.render({}) == ""
    for _ in range(2):
        with pytest.raises(LimaError, match="was stopped"):
            bad.render({"messages": MESSAGES})
        assert good.render({"messages": MESSAGES}) == "hi"


@pytest.mark.slow
def test_memory_that_other_templates_keep_is_not_held_against_one(strict, monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 20)
    monkeypatch.setattr(sandbox, "MEMORY", 96 * 2**20)
    large = "{{% if x %}}{{{{ 'a' * {} }}}}{{% endif %}}x"  # a constant, which is kept with the template
    for i in range(9):
        assert Template(f"'{i}'", large.format(10_000_000 + i)).render({}) == "x"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a\n\n{{ 1 / 0 }}", " failed in line 3: ZeroDivisionError: division by zero."),
        ("a\n{{ nothing.at.all }}", " failed in line 2: 'nothing' is undefined."),
        (
            "{{ ().__class__.__base__ }}",
            " failed in line 1: access to attribute '__class__' of 'tuple' object is unsafe.",
        ),
        ("{{ messages.append(1) }}", " failed in line 1: access to attribute 'append' of 'list' object is unsafe."),
        (
            "{% set ns = namespace(_a=1) %}",
            " failed in line 1: a namespace takes no name that begins with an underscore",
        ),
        (
            "{% set ns = namespace() %}\n{% set ns.__class__ = 1 %}",
            " failed in line 2: a namespace takes no name that begins with an underscore, such as '__class__'.",
        ),
        (
            "{{ range(100001) }}",
            " failed in line 1: OverflowError: Range too big. The sandbox blocks ranges larger than",
        ),
        ("{% include 'x' %}", " failed in line 1: TypeError: no loader for this environment specified."),
        ("{% macro f() %}\n{{ raise_exception('Oh!') }}{% endmacro %}\n{{ f() }}", " failed in line 2: Oh!"),
        ("{{ raise_exception('a' * 3000) }}", f" failed in line 1: {'a' * 1000}."),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(3) }}", " failed in line 1: RecursionError: maximum recursion"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", " failed: RecursionError: maximum recursion depth exceeded"),
        ("{{ '%s' % (10 ** 5000) }}", " failed: ValueError: Exceeds the limit (4300 digits)"),
        ("a\n{{ 3 | hex }}", ", line 2: No filter named 'hex'. Correct it there."),
        ("a\n{% for %}", ", line 2: Expected an expression, got 'end of statement block'. Correct it there."),
    ],
)
def test_a_template_that_fails_is_an_error_with_its_line(source, problem):
    with pytest.raises(LimaError) as e:
        Template("'bad'", source).render({"messages": MESSAGES})
    assert str(e.value).startswith(f"The template 'bad'{problem}")


EXPRESSIONS = [
    "'%5d|%-4s|%05.2f|%%|%x|%*d' % (1, 'ab', 2.5, 255, 3, 7)",
    "'%(a)s, %(a)s and %(b(c)d)3d' % {'a': 'x', 'b(c)d': 1}",
    "'%s-%s'|format('a', 1)",
    "'{}|{:>4}|{a:*^5}|{b[0]}|{c.x}|{!r:>5}'.format(1, 'b', 'q', a='c', b=[7], c={'x': 8})",
    "'{a}{b:03d}'.format_map({'a': 'x', 'b': 5})",
    "('<{}>'|safe).format('<b>') ~ '<b>'|escape ~ '{0.__class__}'.format(1)",
    "'a\tb'.expandtabs() ~ 'abc'.translate({97: 'xx', 98: None}) ~ '7'.zfill(3) ~ 'd'|center(3)",
    "'a\n\nb'|indent ~ '|' ~ 'a\nb'|indent('> ', first=true) ~ 'aaaa bb'|wordwrap(2, wrapstring='/')",
    "'see www.a.com'|urlize(target='_top', rel='me')",
    "[[1, 2], [3]]|sum(start=[]) ~ [1, 2, 3]|batch(2, 0)|list ~ [3, 1, 2]|sort(reverse=true)",
    "[1, 'a']|join(', ') ~ messages|join('/', attribute='role') ~ messages|map(attribute='role')|list",
    "messages[0].items()|list ~ messages[0].keys() ~ messages[0]|dictsort ~ messages|pprint",
    "messages ~ messages|tojson ~ messages|tojson(indent=2) ~ messages|tojson(separators=(',', ':'), sort_keys=true)",
    "namespace(a=1, self=2) ~ namespace({'b': 1}) ~ dict(a=1) ~ dict.fromkeys(['a', 'b'], 3) ~ dict.x",
    "missing ~ missing|default('no') ~ (missing is defined) ~ tools ~ (documents is none) ~ add_generation_prompt",
    "(1.0, 1e100, -0.0, 2**70, true, none, 'é😀'|tojson, 'é'|tojson(ensure_ascii=true))",
    "messages|selectattr('role', 'equalto', 'user')|list|length ~ cycler(1, 2).next() ~ strftime_now('%%')",
]
BLOCKS = [
    "  {% for m in messages %}\n    {% if loop.first %}{% continue %}{% endif %}\n{{ m.role }}\n  {% endfor %}\n\n",
    "{%- for m in messages -%} {% generation %} {{ m.content }} {% endgeneration %} {%- break -%} {% endfor %}\n",
    "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}{# c #}\n{% raw %}{{ x }}{% endraw %}",
    "{% macro f(a, b='c') %}{{ a ~ b ~ caller() }}{% endmacro %}{% call f('\ud83d') %}{{ '\u2028' }}{% endcall %}",
    "{% set ns = namespace(n=0) %}{% for m in messages if m.role %}{% set ns.n = ns.n + loop.length %}{{ ns.n }}{% endfor %}",
]


@pytest.mark.parametrize("source", [f"{{{{ {e} }}}}" for e in EXPRESSIONS] + BLOCKS, ids=ascii)
def test_a_template_renders_as_in_transformers(source):
    from transformers.utils.chat_template_utils import render_jinja_template

    variables = {"tools": None, "documents": None, "add_generation_prompt": True, "bos_token": "<s>"}
    (theirs,), _ = render_jinja_template([MESSAGES], chat_template=source, **variables)
    assert Template("'good'", source).render({"messages": MESSAGES, **variables}) == theirs


def test_one_source_is_compiled_once():
    assert compiled("'good'", "{{ messages }}") is compiled("'good'", "{{ messages }}")


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates, too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**4000), 10**4000) | st.floats() | ANYTHING,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANYTHING, inner, max_size=4),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(VALUES)
def test_what_is_rendered_arrives_as_it_is(value):
    assert compiled("'good'", "{{ value|tojson }}").render({"value": value}) == json.dumps(value, ensure_ascii=False)


def test_a_pair_of_surrogates_stays_two_characters():
    said = "\ud83d\ude00"
    assert compiled("'good'", "{{ value }}|{{ value|length }}").render({"value": said}) == f"{said}|2"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (10**5000, "cannot be given what it is to render: Exceeds the limit (4300 digits)"),
        ({(1, 2): 3}, "cannot be given what it is to render: keys must be str, int, float, bool or None, not tuple."),
        ("x" * 50_000_000, "with what it is to render has 50,0"),
    ],
    ids=("digits", "keys", "length"),
)
def test_what_cannot_be_handed_over_is_said(value, problem):
    with pytest.raises(LimaError) as e:
        compiled("'good'", "{{ value }}").render({"value": value})
    assert str(e.value).startswith(f"The template 'good' {problem}")


def test_lists_in_lists_go_as_deep_as_json_does():
    def nested(depth):
        value = []
        for _ in range(depth):
            value = [value]
        return value

    template = compiled("'good'", "{{ value|tojson }}")
    assert template.render({"value": nested(200)}) == "[" * 201 + "]" * 201
    with pytest.raises(LimaError, match=r"cannot be given what it is to render: maximum recursion depth exceeded"):
        template.render({"value": nested(100_000)})


def test_large_texts_come_back_whole():
    said = 'é\n"😀' * 1_000_000
    assert compiled("'good'", "{{ value }}").render_all([{"value": said}, {"value": "x"}, {"value": said}]) == [
        said,
        "x",
        said,
    ]
    assert compiled("'good'", "{{ value }}").render_all([]) == []
    assert compiled("'good'", "{{ value }}").render({"value": math.inf}) == "inf"


def test_the_first_failure_of_many_renders_is_said_and_the_next_request_is_answered():
    template = compiled("'odd'", "{{ 1 / n }}")
    with pytest.raises(LimaError, match="ZeroDivisionError"):
        template.render_all([{"n": 1}, {"n": 0}, {"n": 4}])
    assert template.render_all([{"n": 2}, {"n": 4}]) == ["0.5", "0.25"]


def test_the_date_stands_still(strict, monkeypatch):
    template = Template("'dated'", "{{ strftime_now('%Y-%m-%d %H:%M:%S.%f') }}")
    first = template.render({})
    strict.stop()
    assert template.render({}) == first


def test_a_template_that_writes_far_more_than_it_is_given_is_stopped():
    """What it writes goes to a tokenizer, which nothing interrupts"""
    with pytest.raises(LimaError, match=r"was stopped: it writes more than 1,00\d,\d\d\d bytes"):
        Template("t", "{{ 'a ' * 2000000 }}").render({"messages": []})
    assert len(Template("t", "{{ 'a ' * 400000 }}").render({"messages": []})) == 800_000
