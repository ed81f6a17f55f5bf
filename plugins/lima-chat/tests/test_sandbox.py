import time

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
]
LARGE = {
    "{{ 'a'.ljust(10**10) }}": "it hands a number above 1,000,000 to 'ljust'",
    "{{ 'a'|center(10**10) }}": "it hands a number above 1,000,000 to 'center'",
    "{{ messages|tojson(indent=10**10) }}": "it hands a number above 1,000,000 to 'tojson'",
    "{{ '%1000000000d' % 1 }}": "it formats to a width of millions",
    "{{ '%*d' % (10**10, 1) }}": "it hands a number above 1,000,000 to 'format'",
    "{{ '{:>1000000000}'.format(1) }}": "it formats to a width of millions",
    "{{ '%1000000000d'|format(1) }}": "it formats to a width of millions",
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


def test_the_date_stands_still():
    template = Template("dated", "{{ strftime_now('%H:%M:%S.%f') }}")
    assert template.render({}) == template.render({})
