"""Both sources keep the contract of a source; `stackexchange` also that of one that reads files."""

from html import escape

import lima_chat
import lima_stackexchange
from lima import TakesOptions
from lima.testing import SourceContract
from lima.testing.texts import PLAIN

from .conftest import SITE, answer, comment, dump, question

LENIENT = {"least_score": 0, "shortest": 1, "longest": 200_000, "wording": False, "prompt": "title"}


class Dumps(SourceContract):
    plugin, requires, abilities = lima_stackexchange, (lima_chat,), (TakesOptions,)

    def given(self, exchanges=PLAIN):
        folder = self.folder / "given" / SITE
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Posts.xml").write_text(dump("posts", *self.posts(exchanges)), encoding="utf-8")
        (folder / "Comments.xml").write_text(dump("comments", *self.comments(exchanges)), encoding="utf-8")
        return str(folder)

    def posts(self, exchanges):
        for number, one in enumerate(exchanges):
            text = f"<pre><code>{escape(one.answer)}</code></pre>" if one.answer.strip() else ""
            yield question(2 * number + 1, title=one.prompt)
            yield answer(2 * number + 2, of=2 * number + 1, body=text)

    def comments(self, exchanges):
        for number, _ in enumerate(exchanges):
            yield comment(
                2 * number + 1, 2 * number + 2, "What if they are ground already?", 4, "2015-01-29T08:00:00.000"
            )
            yield comment(2 * number + 2, 2 * number + 2, "Then drink them soon.", 7, "2015-01-29T09:00:00.000")


class TestQuestions(Dumps):
    """As lima opens it, but for the filters, which are for longer answers than those of the kit"""

    name, reads_files, suffix, options = "stackexchange", True, ".xml", {"tau": 2.0}

    @property
    def thing(self):
        return super().thing.with_options(LENIENT)


class TestThreads(Dumps):
    name, options = "stackexchange-threads", {"others": "user"}
