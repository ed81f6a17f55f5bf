"""Which exchanges a path names, what each is called, and where its Posts, Comments and Users are.

A path is a folder with Posts.xml, such a file, also compressed, an archive, or a folder of these. Knows nothing of their
contents.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from lima import LimaError, did_you_mean, is_there, visible
from lima.cli.progress import Bar
from lima_stackexchange.archives import Counted, members, opened
from lima_stackexchange.dump import DumpRow, rows
from lima_stackexchange.options import PLUGIN, Options, is_host

_POSTS = re.compile(r"posts(?=\.xml(?:\.gz)?$|\.7z$)", re.I)
_EXPECTED = "Expected a folder with Posts.xml, that file (.xml, .xml.gz), an archive (.7z), or a folder of such."
MOST = 1000
"Exchanges in a folder; Stack Exchange has fewer than 400, with their metas"


@dataclass(frozen=True)
class Exchange:
    """One exchange of a dump"""

    site: str
    "Its host, such as coffee.stackexchange.com"
    posts: Path
    "Posts.xml, or an archive"

    def part(self, kind: str) -> Path | None:
        """The file with Comments or Users; None where there is none"""
        found = _POSTS.search(self.posts.name)
        if not found:
            whole = self.posts.suffix.lower() == ".7z" and f"{kind}.xml" in members(self.posts)
            return self.posts if whole else None
        written = found[0]
        name = kind.upper() if written.isupper() else kind.lower() if written.islower() else kind
        stem, suffix = self.posts.name[: found.start()] + name, self.posts.name[found.end() :]
        others = (suffix, ".xml", ".xml.gz", ".7z")
        return next((file for end in others if is_there(file := self.posts.with_name(stem + end))), None)

    @contextmanager
    def rows(self, kind: str, file: Path) -> Iterator[Iterator[DumpRow]]:
        """The rows of its Posts, Comments or Users, with a bar that appears where reading takes longer than a second"""
        size = file.stat().st_size if file.is_file() and file.suffix.lower() != ".7z" else 0
        label = f"{self.site} {file.name}" if self.site not in str(file) else f"{file.parent.name}/{file.name}"
        with opened(file, f"{kind}.xml") as (stream, counted), Bar(f"reading {visible(label)} (MB)") as bar:
            yield _moving(rows(stream, visible(label), kind.lower()), bar, counted, size)


def _moving(found: Iterator[DumpRow], bar: Bar, counted: Counted, size: int) -> Iterator[DumpRow]:
    due = monotonic() + 1
    for row in found:
        if not row.number & 1023 and (now := monotonic()) > due:
            due = now + 0.2
            bar.move(counted.count >> 20, size >> 20 or None)
        yield row


def exchanges_in(path: str, options: Options) -> list[Exchange]:
    """The exchanges that a path names, in the order of their names; LimaError where there is none, or one has no name"""
    at = Path(path)
    if not is_there(path):
        raise LimaError(f"{visible(path)} does not exist. {_EXPECTED}")
    found = _in_folder(at) if at.is_dir() else [at]
    if not found:
        raise LimaError(f"The folder {visible(path)} has no posts of Stack Exchange in it. {_EXPECTED}")
    if len(found) > MOST:
        raise LimaError(f"The folder {visible(path)} has {len(found):,} exchanges; at most {MOST:,} are read at once.")
    alone = len(found) == 1
    if unnamed := [file for file in found if not _site(file, options, alone)]:
        raise _unnamed(unnamed, options, alone)
    made = [Exchange(_site(file, options, alone), file) for file in found]
    sites = [one.site for one in made]
    if twice := next((one for one in made if sites.count(one.site) > 1), None):
        raise LimaError(
            f"{visible(path)} has the exchange {twice.site} twice, also as {visible(str(twice.posts))}. Leave one out."
        )
    if isinstance(options.site, dict) and (unknown := options.site.keys() - {name_of(file) for file in found}):
        names = [name_of(file) for file in found]
        raise LimaError(
            f"{PLUGIN}.site names {min(unknown)!r}, which is not in {visible(path)}.{did_you_mean(min(unknown), names)}"
        )
    return made


def _in_folder(folder: Path) -> list[Path]:
    if own := _posts_of(folder):
        return [own]
    found = list[Path]()
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            found += [own] if (own := _posts_of(entry)) else []
        elif _POSTS.search(entry.name) or (entry.suffix == ".7z" and not re.search(r"-[A-Z]\w+\.7z$", entry.name)):
            found.append(entry)
    return found


def _posts_of(folder: Path) -> Path | None:
    """The folder's own Posts.xml"""
    names = ("posts.xml", "posts.xml.gz")
    return next((one for one in sorted(folder.iterdir(), reverse=True) if one.name.lower() in names), None)


def name_of(file: Path) -> str:
    """What an exchange is called by its file, and by its folder where the file is only called Posts.xml"""
    stem = re.sub(r"\.(xml|xml\.gz|7z)$", "", file.name, flags=re.I)
    name = re.sub(r"[-_. ]?posts$", "", stem, flags=re.I)
    return name or file.absolute().parent.name


def _site(file: Path, options: Options, alone: bool) -> str:
    """The host of an exchange; '' where nothing says it"""
    name = name_of(file)
    if isinstance(options.site, str):
        return options.site if options.site and alone else name if is_host(name) else ""
    return options.site.get(name, name if is_host(name) else "")


def _unnamed(files: Sequence[Path], options: Options, alone: bool) -> LimaError:
    """What to say of exchanges without a host: every example owes a link to its page"""
    hosts = {name_of(file): name_of(file).lower().replace("_", ".") + ".stackexchange.com" for file in files}
    given = dict(options.site) if not isinstance(options.site, str) else {}
    table = ", ".join(f'"{name}" = "{host}"' for name, host in {**given, **hosts}.items())
    value = next(iter(hosts.values())) if alone else f"{{{table}}}"
    paths = visible(", ".join(map(str, files[:20])))
    return LimaError(
        f"Nothing says which exchange {paths} is, and the licence asks for a link to each post. "
        "Name the folder or archive by the host, such as coffee.stackexchange.com, or say it: "
        f"--set '{PLUGIN}.site={visible(value)}'"
    )
