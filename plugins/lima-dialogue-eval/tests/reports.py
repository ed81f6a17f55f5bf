"""What tests of the report look at: the words of a page, the conversations that are data in it, and texts that would do harm."""

import html
import json
import re

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "</div></template></style></script></textarea><img src=x onerror=\"document.title='owned'\">",
    "{{ 7 * 7 }}{% raw %} &lt;b&gt; &amp; <!-- <script> ]]>",
    "red \x1b[31m alarm\x07 \x9b2J",
    "user\u202etxt.exe\u2066 \u200bhidden \ufeff\U000e0041\u2028next\u00ad",
    "\ud800 lone",
    "👩‍👩‍👧 ❤️ नमस्ते \tשלום",
    'javascript:document.title="owned" \\" \\u003cscript\\u003e "},{"turn":',
]


def words_of(page):
    """The words of a page, without its style, script and data"""
    return " ".join(
        html.unescape(re.sub("<style.*?</style>|<script.*?</script>|<[^>]*>", " ", page, flags=re.S)).split()
    )


def data_of(page):
    """What the page's script has: the index, and the dialogues of each conversation, with texts as they are shown"""
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)
    index, *conversations = (unmarked(json.loads(block)) for block in blocks)
    return index, conversations


def unmarked(value):
    if isinstance(value, dict):
        return "".join(value["marked"]) if "marked" in value else {k: unmarked(v) for k, v in value.items()}
    return [unmarked(v) for v in value] if isinstance(value, list) else value


def replies_of(conversations):
    """Every reply that is there, in the order of the page"""
    return [r for dialogues in conversations for d in dialogues for turn in d["turns"] for r in turn["replies"] if r]
