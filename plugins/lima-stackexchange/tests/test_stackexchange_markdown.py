"""What a post's HTML becomes: by examples, and by properties of any HTML."""

import time
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima_stackexchange.markdown import cleaned, comment_text

POSTS = [
    ("<p>One <strong>bold</strong>\nline.</p>\n\n<p>A &lt;tag&gt; &amp; more</p>", "One bold line.\n\nA <tag> & more"),
    ("<h2>Head</h2><p>Text<br>next<br/>\nlast</p><hr><p>End</p>", "Head\n\nText\nnext\nlast\n\nEnd"),
    ("<ul><li>one</li><li><p>two</p><p>more</p><ul><li>in</li></ul></li></ul>", "- one\n- two\n\n  more\n  - in"),
    ("<p>Steps:</p><ol>\n<li>a</li>\n<li>b</li></ol><ul><li>c</li></ul>", "Steps:\n\n1. a\n2. b\n\n- c"),
    ("<blockquote><p>a</p><p>b</p></blockquote><p>c</p>", "> a\n>\n> b\n\nc"),
    ('<pre class="lang-py"><code>if a &lt; b:\n\n    go()\n</code></pre>', "```py\nif a < b:\n\n    go()\n```"),
    ("<pre><code>```\nin\n```</code></pre>", "````\n```\nin\n```\n````"),
    ("<p>Use <code>a*b</code> or <code>`</code></p>", "Use `a*b` or `` ` ``"),
    (
        "<p>10<sup>6</sup> m<sup>2</sup>, CO<sub>2</sub>, 19<sup>th</sup>, said.<sup>1</sup></p>",
        "10^6 m^2, CO2, 19th, said.",
    ),
    ("<p>It was <s>wrong</s>right.</p>", "It was right."),
    (
        "<table><tr><th>a</th><th>b|c</th></tr><tr><td>1</td><td>2</td></tr></table>",
        "| a | b\\|c |\n|---|---|\n| 1 | 2 |",
    ),
    ('<p>The <a href="x">manual</a> says so.</p>', "The manual says so."),
    ('<p>So.</p><p>Sources:</p><ul><li><a href="u">http://a.org/b</a></li><li><a>http://c.org</a></li></ul>', "So."),
    ('<p>So.</p><h2>Further reading</h2>\n<p><a href="u">https://a.org</a></p><p>End.</p>', "So.\n\nEnd."),
    ('<p>So.</p><p>Useful pages:</p><p><a href="u">https://a.org</a></p>', "So."),
    ("<p>Mind:</p>", "Mind:"),
    ("<li>x</ul></p></blockquote>y</pre>", "- x\n\ny"),
    ("", ""),
]


@pytest.mark.parametrize(("source", "text"), POSTS)
def test_a_post(source, text):
    made = cleaned(source)
    assert (made.text, made.dangling) == (text, False)


@pytest.mark.parametrize(
    ("source", "text", "pictures"),
    [
        ('<p>See <a href="x">here</a>.</p>', "See here.", 0),
        ('<p>As <a href="x">this study</a> says.</p>', "As this study says.", 0),
        ('<p>More at <a href="u">http://a.org/b</a>, if you like it.</p>', "More at, if you like it.", 0),
        ('<p>It looks like this:</p><p><img src="x" alt="a > b"></p><p>Nice.</p>', "It looks like this:\n\nNice.", 1),
    ],
)
def test_a_post_that_lost_what_it_points_to_says_so(source, text, pictures):
    made = cleaned(source)
    assert (made.text, made.dangling, made.pictures) == (text, True, pictures)


@pytest.mark.parametrize(
    ("source", "text", "dangling"),
    [
        ("Use *this* or `a *b*`,  **please**.", "Use this or `a *b*`, please.", False),
        ("The [manual](http://a.org/b_(c)) says so :)", "The manual says so :)", False),
        ("See [here](http://a.org).", "See here.", True),
        ("Look: http://a.org/b?c, it helps", "Look: it helps", True),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4", False),
        ("Is &lt; less than &amp;?", "Is < less than &?", False),
    ],
)
def test_a_comment(source, text, dangling):
    made = comment_text(source)
    assert (made.text, made.dangling) == (text, dangling)


TAGS = ("p", "ul", "ol", "li", "pre", "code", "blockquote", "a", "sup", "sub")
TAGS += ("table", "tr", "td", "h1", "s", "img", "br", "em", "div", "script")
PIECES = st.one_of(
    st.sampled_from([f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS]),
    st.sampled_from(
        ["&lt;", "&#0;", "&amp", "<", '<a href="', "'>", "<!--", "-->", "`", "```", "\n", "http://a.org/x", "\0", "\1"]
    ),
    st.text(max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_html_becomes_some_text(source):
    made = cleaned(source)
    assert made.text == cleaned(source).text == made.text.strip("\n")
    assert "\0" not in made.text
    assert "\1" not in made.text
    comment = comment_text(source[:600]).text
    assert comment == comment.strip()


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip))
def test_what_is_written_stays_word_for_word(text):
    assert cleaned(f"<div>{escape(text)}</div>").text.split() == text.split()
    assert cleaned(f"<pre><code>{escape(text)}x</code></pre>").text.split("\n")[1:-1] == f"{text}x".split("\n")


@pytest.mark.parametrize(
    "piece",
    [
        '<a "',
        "<",
        "<ul>",
        "<!--",
        "<li>x",
        "<sup>a</sup>",
        "<blockquote><p>x</p>",
        "<pre>",
        "<code>",
        "<a>b</a>",
        "`",
        "[",
        "[a](b",
        "*a",
        "_",
    ]
    + ["&", "<td>x", "a.com", "www.", "@a "],
)
def test_time_grows_with_the_length(piece):
    """100,000 characters of anything take a second at most, where a search that begins again at each of them takes minutes"""
    for clean, length in ((cleaned, 100_000), (comment_text, 5_000)):
        started = time.process_time()
        clean(piece * (length // len(piece)))
        assert time.process_time() - started < 2
