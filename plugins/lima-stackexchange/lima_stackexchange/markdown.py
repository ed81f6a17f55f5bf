"""From HTML to plain text: code blocks, lists and quotations as Markdown, links, pictures and other HTML out (LIMA §2).

The HTML is what the sites of Stack Exchange make of Markdown, a few dozen tags; any text is understood somehow, in time linear
in its length.
Emphasis and headings lose their marks, struck text is left out, tables stay tables. Knows nothing of posts.
"""

import html
import re
from dataclasses import dataclass

_TAG = re.compile(r"""<(/?)([A-Za-z][A-Za-z0-9]*)((?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>|<!--[^<>]*-->""")
_LANGUAGE = re.compile(r"\blang-([a-z0-9+#-]{1,20})\b")
_SPACES, _OURS = str.maketrans("\t\r\n\0\1", "     "), str.maketrans("\0\1", "  ")
"White space is one space; the two characters that mark code and what was taken out are nobody else's"
_HEADINGS = {f"h{level}" for level in range(1, 7)}
_BLOCKS = {"p", "div", "ul", "ol", "li", "blockquote", "pre", "hr", "dl", "dt", "dd", "table", "tr", *_HEADINGS}
_GONE = {"s", "del", "strike", "script", "style"}
"Whose text is left out: what its author took back, and what is not text"
_DEEPEST = 16
"Lists and quotations within each other; deeper ones are read at this depth"
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|[^\s/]{1,100}\.(?:com|org|net|edu|gov)/\S*", re.I)
_BARE = re.compile(
    r"\W*(?:(?:in|see|read|at|from|click|right|over|check out) )?(?:(?:here|this|that|these|those)\b.{0,60}|there|it"
    r"|(?:the |a )?(?:links?|sources?|site|web ?site|page|article|wiki|reference|video|\d{1,2}))\W*",
    re.I | re.S,
)
"Texts of links that say nothing without the link"


_LISTS = frozenset(
    (
        "source",
        "sources",
        "reference",
        "references",
        "links",
        "further reading",
        "additional reading",
        "see also",
        "more information",
    )
    + ("external links", "footnotes", "notes", "citations", "bibliography", "related", "resources", "edit", "update")
)
"Headings over lists of links; at the end of a text there is no list left"


@dataclass(frozen=True)
class Cleaned:
    """The text of a post"""

    text: str
    dangling: bool = False
    "Whether it says something like `see here`, or `like this:`, and the link or picture is gone"
    pictures: int = 0
    "That were taken out"


def cleaned(source: str) -> Cleaned:
    """The text of a post's HTML"""
    writer, at, hidden = _Writer(), 0, list[str]()
    for found in _TAG.finditer(source):
        if not hidden:
            writer.text(html.unescape(source[at : found.start()]))
        at = found.end()
        closing, name, attributes = found[1], (found[2] or "").lower(), found[3] or ""
        if name in _GONE:
            hidden = [*hidden, name] if not closing else hidden[:-1]
        elif not hidden and name:
            writer.close(name) if closing else writer.open(name, attributes)
    if not hidden:
        writer.text(html.unescape(source[at:]))
    return writer.result()


@dataclass
class _Frame:
    """A list, an item of it, or a quotation"""

    name: str
    marker: str = ""
    "Of an item; taken by its first line"
    used: bool = False
    count: int = 0
    "Of a numbered list"


class _Writer:
    """What was read so far: whole blocks, and the line that is being written"""

    def __init__(self) -> None:
        self.blocks, self.frames, self.line = list[tuple[str, _Frame | None]](), list[_Frame](), list[str]()
        self.code, self.language, self.link, self.raised = "", "", -1, -1
        self.cells, self.lines = list[str](), list[str]()
        self.dangling, self.dropped, self.loose, self.pictures = False, False, False, 0

    def text(self, text: str) -> None:
        """Text between tags"""
        if text:
            self.line.append(text.translate(_OURS if self.code == "pre" else _SPACES))

    def open(self, name: str, attributes: str) -> None:
        """A tag that begins"""
        if self.code == "pre":
            self.language = self.language or _language(attributes)
            return
        if name in _BLOCKS:
            self.flush()
        if name == "pre":
            self.code, self.language = "pre", _language(attributes)
        elif name == "code" and not self.code:
            self.line.append("\0")
            self.code = "code"
        elif name == "br":
            self.line.append("\n")
        elif name == "img":
            self.pictures += 1
            self.line.append("\1")
        elif name == "a":
            self.link = len(self.line)
        elif name == "sup":
            self.raised = len(self.line)
        elif name in ("ul", "ol", "blockquote", "li") and len(self.frames) < _DEEPEST:
            self.frame(name)

    def frame(self, name: str) -> None:
        """A list, an item or a quotation begins"""
        if name == "li":
            outer = self.frames[-1] if self.frames and self.frames[-1].name in ("ul", "ol") else _Frame("ul")
            outer.count += 1
            self.frames.append(_Frame("li", f"{outer.count}. " if outer.name == "ol" else "- "))
        else:
            self.frames.append(_Frame(name))

    def close(self, name: str) -> None:
        """A tag that ends"""
        if self.code == "pre":
            if name == "pre":
                self.fenced()
            return
        if name == "code" and self.code:
            self.code = ""
            self.line.append("\0")
        elif name == "a" and self.link >= 0:
            self.unlinked()
        elif name == "sup" and self.raised >= 0:
            self.line[self.raised :] = [
                _raised("".join(self.line[max(0, self.raised - 4) : self.raised]), "".join(self.line[self.raised :]))
            ]
            self.raised = -1
        elif name in ("td", "th"):
            self.cells.append(" ".join(self.taken().replace("\1", "").split()).replace("|", "\\|"))
        elif name == "tr" and self.cells:
            self.lines.append(f"| {' | '.join(self.cells)} |")
            self.lines += ["|" + "---|" * len(self.cells)] if len(self.lines) == 1 else []
            self.cells = []
        elif name == "table" and self.lines:
            self.write("\n".join(self.lines))
            self.lines = []
        if name in _BLOCKS and name not in ("tr", "table"):
            self.flush()
        if name in ("ul", "ol"):  # its last item may not have been closed
            while self.frames and self.frames[-1].name == "li":
                self.frames.pop()
        if name in ("ul", "ol", "blockquote", "li") and any(one.name == name for one in self.frames):
            while self.frames.pop().name != name:
                pass

    def unlinked(self) -> None:
        """The text of a link stays, unless it is an address, and says nothing without the link"""
        text = "".join(self.line[self.link :]).strip()
        if _ADDRESS.fullmatch(text):
            self.line[self.link :] = ["\1"]
        elif _BARE.fullmatch(text):
            self.dangling = True
        self.link = -1

    def taken(self) -> str:
        """The line so far, which is empty then"""
        if not self.line:
            return ""
        text, self.line, self.link, self.raised = "".join(self.line), [], -1, -1
        self.code = ""
        if "\0" not in text:
            return text
        parts = text.split("\0")
        return "".join(_coded(part) if number % 2 else part for number, part in enumerate(parts))

    def flush(self) -> None:
        """What was written so far is a block"""
        text = "\n".join([" ".join(line.split()) for line in self.taken().split("\n")]).strip()
        if not text:
            return
        words = text.replace("\1", "")
        if "\1" in text and len(re.findall(r"\w+", words)) <= 3:
            self.drop()
            return
        if "\1" in text:
            self.dangling = True  # a sentence with something taken out in it
        if "\1" in text:
            words = _closed_up(words).strip()
        self.write(re.sub(r"\n{3,}", "\n\n", words) if "\n\n\n" in words else words)

    def drop(self) -> None:
        """Leave out a block that is an address or a picture and little else, and a line before it that announces only that"""
        if self.blocks and not self.dropped:
            before = self.blocks[-1][0]
            if before.strip(" \n>*_#-").rstrip(":. ").lower() in _LISTS:
                self.blocks.pop()
            elif before.endswith((":", " this", " below")):
                self.loose = True  # at the end of a text it is left out, too
        self.dropped = True

    def fenced(self) -> None:
        """What was written so far is a block of code"""
        code, self.line, self.code = "".join(self.line).strip("\r\n"), [], ""
        if code.strip():
            ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`{3,}", code)), 3)
            self.write(f"{ticks}{self.language}\n{code}\n{ticks}")

    def write(self, block: str) -> None:
        """One more block, behind the marks of the lists and quotations that it is in"""
        head, rest, begins = "", "", False
        for frame in self.frames:
            if frame.name == "blockquote":
                head, rest = head + "> ", rest + "> "
            elif frame.name == "li":
                head += " " * len(frame.marker) if frame.used else frame.marker
                rest += " " * len(frame.marker)
                begins, frame.used = begins or not frame.used, True
        self.dangling, self.loose = self.dangling or self.loose, False
        lines, self.dropped = block.split("\n"), False
        shown = [head + lines[0], *(rest + line if line else rest.rstrip() for line in lines[1:])]
        inside = next((frame for frame in self.frames if frame.name in ("ul", "ol")), None)
        close = begins and bool(self.blocks) and inside is not None and self.blocks[-1][1] is inside
        between = "" if not self.blocks else "\n" if close else f"\n{_quoted(rest, self.blocks[-1][0])}\n"
        self.blocks.append((between + "\n".join(shown), inside))

    def result(self) -> Cleaned:
        """All of it"""
        if self.code == "pre":
            self.fenced()
        self.flush()
        if self.lines or self.cells:
            self.write("\n".join([*self.lines, *self.cells]))
        if self.loose and _announces(self.blocks[-1][0]):
            self.blocks.pop()
            self.loose = False
        return Cleaned(
            "".join(block for block, _ in self.blocks).strip("\n"), self.dangling or self.loose, self.pictures
        )


def _announces(block: str) -> bool:
    """Whether a block is a line that only announces what follows"""
    text = block.strip(" \n>*_#-")
    return len(text) <= 60 and "\n" not in text and text.endswith(":")


def _language(attributes: str) -> str:
    found = _LANGUAGE.search(attributes)
    return found[1] if found and found[1] != "none" else ""


def _coded(text: str) -> str:
    """Code within a line"""
    if not text.strip():
        return text
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    return f"{ticks} {text} {ticks}" if longest else f"`{text.strip()}`"


def _raised(before: str, text: str) -> str:
    """A superscript: an exponent is written as one, the number of a footnote is left out"""
    inner = text.strip()
    if re.fullmatch(r"\[?[\d*†]{1,3}\]?", inner) and not re.search(r"(?:\d|\b[^\W\d]{1,3}|\))$", before):
        return ""
    return f"^{inner}" if re.fullmatch(r"[-+−]?[\w.]{1,6}", inner) and inner not in ("st", "nd", "rd", "th") else text


def _quoted(rest: str, before: str) -> str:
    """The marks of a blank line between two blocks: of the quotation that both are in"""
    last = before.rsplit("\n", 1)[-1]
    return rest.rstrip() if rest.strip().startswith(">") and last.strip().startswith(">") else ""


_CODE = re.compile(
    r"(?<!`)(`{1,4})(?!`).*?(?<!`)\1(?!`)|\[([^\[\]]{1,400})\]\((?:[^\s()]|\([^\s()]*\)){1,2000}(?:\s+\"[^\"]*\")?\)",
    re.S,
)


def comment_text(source: str) -> Cleaned:
    """The text of a comment, which is Markdown of one line: code stays, links lose their addresses"""
    dangling = False
    parts, at = list[str](), 0

    def plain(text: str) -> str:
        nonlocal dangling
        dangling = dangling or bool(_ADDRESS.search(text))
        text = re.sub(
            r"(?<![\w*])(\*{1,3}|_{1,3})(?=\S)([^*_\n]{1,400}?)(?<=\S)\1(?![\w*])", r"\2", _ADDRESS.sub("", text)
        )
        return re.sub(r"\s+", " ", html.unescape(text))

    for found in _CODE.finditer(source):
        parts.append(plain(source[at : found.start()]))
        at = found.end()
        if found[2] is None:
            parts.append(found[0])
        else:
            dangling = dangling or bool(_BARE.fullmatch(found[2]))
            parts.append(plain(found[2]))
    parts.append(plain(source[at:]))
    return Cleaned(_closed_up("".join(parts)).strip(), dangling)


def _closed_up(text: str) -> str:
    """Without the spaces before punctuation that something left which was taken out"""
    return re.sub(r" +([.,;:!?)])(?=\s|$)", r"\1", re.sub(" +", " ", text))
