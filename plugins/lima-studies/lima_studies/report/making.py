"""What every report says of how it was made: systems with versions and dates, prompts, raters, settings, time, versions.

Knows nothing of a kind of study.
"""

from collections import defaultdict

from lima_dialogue_eval import count_of
from lima_studies.record.study import JUDGES, Study


def made(study: Study) -> dict[str, str]:
    """Names and texts, in order"""
    row, prompts = study.row, study.prompts()
    sources = list(dict.fromkeys(p.source for p in prompts))
    licences = list(dict.fromkeys(p.licence for p in prompts if p.licence))
    settings = row["settings"]
    people = _people(study)
    judges = [f"{r['rater']} ({r['spec']}; sha256 {r['hash'][:12]})" for r in study.raters() if r["team"] == JUDGES]
    found = {
        "study": f"{study.id}, begun {_day(row['created'])}, {row['status']}",
        "systems": "\n".join(systems(study)),
        "prompts": f"{len(prompts)} of {', '.join(sources[:6])}{' …' * (len(sources) > 6)} (sha256 {row['prompts_hash'][:12]})"
        + (f"; {', '.join(licences)}" if licences else ""),
        "sampling": ", ".join(f"{key} {value}" for key, value in settings.get("sampling", {}).items())
        + f"; {count_of(settings.get('samples', 1), 'reply', 'replies')} to a prompt; seed {settings.get('seed', 0)}",
        "judges": "\n".join(judges) or "none",
        "people": "\n".join(f"{team}: {', '.join(names)}" for team, names in people.items()) or "none",
        "time": f"{row['seconds']:,.0f} s of work",
        "versions": ", ".join(f"{name} {version}" for name, version in row["versions"].items()),
        "database": str(study.store.path),
    }
    return found


def _people(study: Study) -> dict[str, list[str]]:
    """People by group, each with how much they have answered of what they were given"""
    given: dict[str, int] = defaultdict(int)
    for row in study.assignments():
        given[row["rater"]] += 1
    said: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in study.verdicts():
        said[row["rater"]].add((row["question"], row["prompt"], row["first"], row["second"], str(row["sample"])))
    found: dict[str, list[str]] = defaultdict(list)
    for rater in study.raters():
        if rater["team"] != JUDGES:
            name = rater["rater"]
            found[rater["team"]].append(f"{name} ({len(said[name])} of {given[name]})")
    return found


def systems(study: Study) -> list[str]:
    """A line a system: its name, what answers, versions, and from when its replies are"""
    rows = [r for r in study.replies().values() if r["reply"] is not None]
    lines = []
    for system in study.systems():
        own = [r for r in rows if r["system"] == system.name]
        versions = sorted({r["version"] for r in own})
        days = sorted({r["date"][:10] for r in own if r["date"]})
        when = f"{days[0]} to {days[-1]}" if len(days) > 1 else days[0] if days else "date not known"
        lines.append(
            f"{system.name}: {system.spec}; version {', '.join(versions[:4]) or 'not known'}; "
            f"{count_of(len(own), 'reply', 'replies')}, {when}"
            if own
            else f"{system.name}: {system.spec}; no reply yet"
        )
    return lines


def _day(time: str) -> str:
    return time[:16].replace("T", " ") + " UTC"
