import json
import time
import tracemalloc

import pytest

from lima import LimaError
from lima_chat.sandbox import Template, compiled

MESSAGES = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
ROUND = "{% for i in range(100000) %}"
END = "{% endfor %}"
GROWS = "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = EXPRESSION %}{% endfor %}"

ENDLESS = [
    ROUND + ROUND + END + END,
    ROUND + ROUND + "{% set a = i * i %}{% set b = a + a %}" + END + END,
    "{% for i in range(100000)|map('string') %}{% for j in range(100000)|map('string') %}" + END + END,
    ROUND + "{% if messages|length %}" + ROUND + "{{ messages|length }}" + END + "{% endif %}" + END,
    ROUND + "y" * 2000 + END,
    "{% set x %}" + ROUND + "y" * 2000 + END + "{% endset %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    GROWS.replace("EXPRESSION", "ns.s ~ ns.s"),
    GROWS.replace("EXPRESSION", "ns.s + ns.s"),
    GROWS.replace("EXPRESSION", "ns.s * 2"),
    GROWS.replace("EXPRESSION", "ns.s|replace('a', ns.s)"),
    GROWS.replace("EXPRESSION", "ns.s.replace('b', ns.s)"),
    "{% set ns = namespace(s=['a']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{{ 'a' * 10**10 }}",
    "{{ 10**10 * 'a' }}",
    "{{ ['a' * 1000000] * 1000000 }}",
    "{{ (['a' * 1000000] * 100000)|join }}",
    "{{ ('a' * 1000000).join(['x'] * 1000000) }}",
    "{{ (['a' * 1000000] * 1000000)|tojson }}",
    "{{ '%s' % ((['a' * 1000000] * 1000000),) }}",
    "{% set x = 'a' * -10**30 %}" + ROUND + ROUND + END + END,
    "{{ ([['a' * 100] * 3000] * 3000)|sum(start=[]) }}",
]
BOMB = "{% set ns = namespace(s=['a']) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}"
M = "('a' * 1000000)"
TABS, LINES, WORDS, LINKS = "('\t' * 1000000)", "('a\n' * 500000)", "('a ' * 500000)", "('www.a.com ' * 100000)"
HUGE = [  # each made in one go
    "('%999999d' * 1000) % ((1,) * 1000)",
    "('%.999999f' * 1000) % ((1,) * 1000)",
    "('%*d' * 1000) % ((999999, 1) * 1000)",
    "('%*d' * 1000) % ((-999999, 1) * 1000)",
    "('%(a(b)c)999999d' * 1000) % {'a(b)c': 1}",
    f"('%(a)s' * 10000) % {{'a': {M}}}",
    "('%(a)d' * 50000) % {'a': 2**2000}",
    "('%999999d' * 1000)|format(*((1,) * 1000))",
    f"('%(a)s' * 10000)|format(a={M})",
    "(['%999999d'] * 1000)|format(*((1,) * 1000))",
    "('{:999999}' * 1000).format(*((1,) * 1000))",
    "('{0:.999999f}' * 1000).format(1)",
    "('{0:{1}}' * 1000).format(1, 999999)",
    "('{0:{1}}' * 1000).format(1, '>999999')",
    "('{0:{1[w]}}' * 1000).format(1, {'w': 999999})",
    "('{a:{b}}' * 1000).format_map({'a': 1, 'b': 999999})",
    "(('{0:999999}' * 1000)|safe).format(1)",
    f"('{{0}}' * 100000).format({M})",
    f"({TABS}).expandtabs(1000000)",
    f"({TABS}).expandtabs(tabsize=1000000)",
    f"{M}.translate({{97: {M}}})",
    f"{M}.translate([{M}] * 98)",
    f"{M}.translate('a'.maketrans({{'a': {M}}}))",
    f"{M}.replace('a', {M})",
    f"{M}|replace('a', {M})",
    f"[{M}]|replace('a', {M})",
    f"[{M}]|replace(new={M}, old='a')",
    f"{LINES}|indent(1000000)",
    f"{LINES}|indent(width={M})",
    f"{WORDS}|wordwrap(1, wrapstring={M})",
    f"{M}|wordwrap(1)",
    f"{LINKS}|urlize(target={M})",
    f"{LINKS}|urlize(rel={M})",
    "(['a'] * 100000)|tojson(indent=1000000)",
    f"(['a'] * 100000)|tojson(indent={M})",
    f"(['a'] * 100000)|tojson(separators=({M}, ':'))",
    f"{M}.join({M})",
    f"{M}.join(range(100000)|map('string'))",
    f"{M}|join({M})",
    f"range(100000)|join({M})",
    f"range(100000)|join([{M}])",
    f"([{{'a': {M}}}] * 100000)|map('items')|map('list')|join",
    "(['a'] * 12)|map('center', 1000000)|list",
    "range(12)|map('string')|map('batch', 1000000, 'a')|map('list')|list",
    "range(12)|map('string')|map('slice', 1000000)|map('list')|list",
]
DEEP = [  # 2^60 texts, which are written in many ways
    "ns.s|string",
    "{'a': ns.s}.values()",
    "{'a': ns.s}.items()|string",
    "'{}'.format(ns.s)",
    "'{!r}'.format(ns.s)",
    "'{a!s}'.format(a=ns.s)",
    "'%s' % ns.s",
    "'%s'|format(ns.s)",
    "'a'|replace(old='a', new=ns.s)",
    "[1]|join(d=ns.s)",
    "ns.s|tojson(indent=1)",
]
LARGE = {
    "{{ 'a'.ljust(10**10) }}": "it hands a number above 1,000,000 to 'ljust'",
    "{{ 'a'|center(10**10) }}": "it hands a number above 1,000,000 to 'center'",
    "{{ messages|tojson(indent=10**10) }}": "it hands a number above 1,000,000 to 'tojson'",
    "{{ '%*d' % (-(10**10), 1) }}": "it hands a number above 1,000,000 to 'format'",
    "{{ '%1000000000d' % 1 }}": "it formats to a width of millions",
    "{{ '%*d' % (10**10, 1) }}": "it hands a number above 1,000,000 to 'format'",
    "{{ '{:>1000000000}'.format(1) }}": "it formats to a width of millions",
    "{{ '%1000000000d'|format(1) }}": "it formats to a width of millions",
    "{{ ['%1000000000d']|format(1) }}": "it formats to a width of millions",
    "{{ '%(a)1000000000d' % {'a': 1} }}": "it formats to a width of millions",
    "{{ '%(a(b)c)1000000000d' % {'a(b)c': 1} }}": "it formats to a width of millions",
    "{{ '%%(%1000000000d' % 1 }}": "it formats to a width of millions",
    "{{ '%.1000000000f' % 1 }}": "it formats to a width of millions",
    "{{ '{:{}}'.format(1, '1000000000') }}": "it formats to a width of millions",
    "{{ '{:{}}'.format(1, '>1000000000') }}": "it formats to a width of millions",
    "{{ '{0:{1[w]}}'.format(1, {'w': 10**9}) }}": "it formats to a width of millions",
    "{{ '{a:{b}}'.format_map({'a': 1, 'b': 10**9}) }}": "it formats to a width of millions",
    "{{ ('{:1000000000}'|safe).format(1) }}": "it formats to a width of millions",
    "{{ 'a'.expandtabs(10**10) }}": "it hands a number above 1,000,000 to 'expandtabs'",
    "{{ 'a'|indent(10**10) }}": "it hands a number above 1,000,000 to 'indent'",
    "{{ 'a'.zfill(10**10) }}": "it hands a number above 1,000,000 to 'zfill'",
    "{{ '%1000000000d'.encode() % 1 }}": "encode() makes bytes, which are no text",
    "{{ 2**(2**40) }}": "it computes ** of numbers too large",
    GROWS.replace("'ab'", "7").replace("EXPRESSION", "ns.s * ns.s"): "it computes * of numbers too large",
    "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(3) }}": "RecursionError: maximum recursion depth exceeded",
}


@pytest.mark.parametrize("source", ENDLESS, ids=range(len(ENDLESS)))
def test_a_template_without_end_is_stopped(source):
    started = time.monotonic()
    with pytest.raises(LimaError) as e:
        Template("'bad'", source).render({"messages": MESSAGES})
    assert str(e.value) == "The template 'bad' failed in line 1: it loops or writes without end."
    assert time.monotonic() - started < 20  # seconds; a busy machine is given time, an endless loop is not


@pytest.mark.parametrize("expression", HUGE, ids=range(len(HUGE)))
def test_what_is_huge_is_refused_before_it_is_made(expression):
    template = Template("'bad'", "{% set x = EXPRESSION %}".replace("EXPRESSION", expression))
    tracemalloc.start()
    try:
        with pytest.raises(LimaError) as e:
            template.render({"messages": MESSAGES})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(e.value) == "The template 'bad' failed in line 1: it loops or writes without end."
    assert peak < 100_000_000  # bytes


@pytest.mark.parametrize("expression", DEEP, ids=range(len(DEEP)))
def test_a_list_of_itself_many_times_is_never_written(expression, monkeypatch):
    monkeypatch.setattr("lima_chat.sandbox.BUDGET", 100_000)
    with pytest.raises(LimaError) as e:
        Template("'bad'", f"{BOMB}{{{{ {expression} }}}}").render({})
    assert str(e.value) == "The template 'bad' failed in line 1: it loops or writes without end."


@pytest.mark.parametrize("source", LARGE, ids=range(len(LARGE)))
def test_a_template_that_asks_for_too_much_at_once_is_stopped(source):
    with pytest.raises(LimaError, match="^The template 'bad' failed in line 1: ") as e:
        Template("'bad'", source).render({"messages": MESSAGES})
    assert LARGE[source] in str(e.value)


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
        ("{% include 'x' %}", " failed in line 1: TypeError: no loader for this environment specified."),
        ("{% macro f() %}\n{{ raise_exception('Oh!') }}{% endmacro %}\n{{ f() }}", " failed in line 2: Oh!"),
        ("a\n{{ 3 | hex }}", ", line 2: No filter named 'hex'. Correct it there."),
        ("a\n{{ 3 | pprint }}", ", line 2: No filter named 'pprint'. Correct it there."),
        ("x" * 200_001, " has 200,001 characters; at most 200,000 are read."),
    ],
)
def test_a_template_that_fails_is_an_error_with_its_line(source, problem):
    with pytest.raises(LimaError) as e:
        Template("'bad'", source).render({"messages": MESSAGES})
    assert str(e.value).startswith(f"The template 'bad'{problem}")


def test_what_templates_use_works_as_in_transformers():
    source = (
        "{%- set ns = namespace(n=0) %}\n"
        "{%- for m in messages if m.role != 'tool' %}\n"
        "    {%- if loop.index > 1 %}{% continue %}{% endif %}\n"
        "    {%- set ns.n = ns.n + loop.length %}\n"
        "    {{- loop.first ~ '|' ~ m['content']|trim ~ '|' ~ m|tojson ~ '|' ~ '%s!' % m.role ~ '|' ~ '{}'.format(ns.n) }}\n"
        "{%- endfor %}\n"
        "{%- generation %}{{ '-' * 3 }}{% endgeneration %}\n"
        "{%- for k, v in messages[0].items() %}{{ k[0] }}{% endfor %}\n"
        "{{- messages|map(attribute='role')|join(',') }}{{ missing }}{{ missing is defined }}{{ 'é'|tojson }}{{ dict(a=1) }}\n"
    )
    assert compiled("good", source).render({"messages": MESSAGES}) == (
        'True|hi|{"role": "user", "content": "hi"}|user!|2---rcuser,assistantFalse"é"{\'a\': 1}'
    )
    assert compiled("good", source) is compiled("good", source)


@pytest.mark.parametrize(
    ("expression", "rendered"),
    [
        ("'%5d|%-4s|%05.2f|%%|%x|%*d' % (1, 'ab', 2.5, 255, 3, 7)", "    1|ab  |02.50|%|ff|  7"),
        ("'%(a)s, %(a)s and %(b(c)d)3d' % {'a': 'x', 'b(c)d': 1}", "x, x and   1"),
        ("'call 5551234567: %s' % 'Ann'", "call 5551234567: Ann"),
        ("'%s' % [1, 'a']", "[1, 'a']"),
        ("'%s-%s'|format('a', 1)", "a-1"),
        ("'%(a)s'|format(a=2)", "2"),
        ("['%s']|format(1)", "['1']"),
        (
            "'{}|{:>4}|{a:*^5}|{b[0]}|{c.x}|{!r:>5}'.format(1, 'b', 'q', a='c', b=[7], c={'x': 8})",
            "1|   b|**c**|7|8|  'q'",
        ),
        ("'{0:{1}.{2}f}'.format(3.14159, 7, 2)", "   3.14"),
        ("'{a}{b:03d}'.format_map({'a': 'x', 'b': 5})", "x005"),
        ("('<{}>'|safe).format('<b>')", "<&lt;b&gt;>"),
        ("'{} costs 5551234567'.format('It')", "It costs 5551234567"),
        ("'a\tb'.expandtabs() ~ 'a\tb'.expandtabs(tabsize=2)", "a       ba b"),
        ("'abc'.translate({97: 'xx', 98: None}) ~ 'ab'.translate('ab'.maketrans('ab', 'cd'))", "xxccd"),
        ("'a'.center(3) ~ 'b'.ljust(3, '.') ~ 'c'.rjust(3) ~ '7'.zfill(3) ~ 'd'|center(3)", " a b..  c007 d "),
        ("'aXbX'.replace('X', '--', 1) ~ 'aX'|replace('X', 'yy') ~ 121|replace(1, 'o')", "a--bXayyo2o"),
        (
            "'a\n\nb'|indent ~ '|' ~ 'a\nb'|indent('> ', first=true) ~ '|' ~ 'a\nb'|indent(width=1)",
            "a\n\n    b|> a\n> b|a\n b",
        ),
        ("'aa bb cc'|wordwrap(5) ~ '|' ~ 'aaaa bb'|wordwrap(2, wrapstring='/')", "aa bb\ncc|aa/aa/bb"),
        (
            "'see www.a.com'|urlize(target='_top', rel='me')",
            'see <a href="https://www.a.com" rel="me noopener" target="_top">www.a.com</a>',
        ),
        ("[[1, 2], [3]]|sum(start=[]) ~ [1, 2]|sum", "[1, 2, 3]3"),
        ("'%*d|' % (-3, 7)", "7  |"),
        ("strftime_now('%%')", "%"),
        ("[1, 2, 3]|batch(2, 0)|list ~ [1, 2, 3]|slice(2, 0)|list", "[[1, 2], [3, 0]][[1, 2], [3, 0]]"),
        ("', '.join(['a', 'b']) ~ '-'.join('cd') ~ ','.join({'e': 1})", "a, bc-de"),
        ("[1, 'a']|join(', ') ~ messages|join('/', attribute='role') ~ 'ab'|join('+')", "1, auser/assistanta+b"),
        ("messages[0].items()|list", "[('role', 'user'), ('content', 'hi')]"),
        ("messages[0].keys()", "dict_keys(['role', 'content'])"),
        ("namespace(a=1)", "<Namespace>"),
    ],
)
def test_what_is_paid_for_is_written_as_ever(expression, rendered):
    assert Template("good", f"{{{{ {expression} }}}}").render({"messages": MESSAGES}) == rendered


@pytest.mark.parametrize(
    "options",
    [{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"sort_keys": True}, {"ensure_ascii": True}],
)
def test_json_is_written_as_ever(options):
    value = [{"b": [1, 2.5, None, True], "a": {"é": '"\n'}}, [], {}, "x"]
    written = Template("good", "{{ value|tojson(**options) }}").render({"value": value, "options": options})
    assert written == json.dumps(value, **{"ensure_ascii": False, **options})


def test_the_date_stands_still():
    template = Template("dated", "{{ strftime_now('%H:%M:%S.%f') }}")
    assert template.render({}) == template.render({})
