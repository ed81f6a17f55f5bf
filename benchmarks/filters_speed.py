"""How long each filter of lima-curate takes, and how much memory, beside a plain loop that counts words.

    python benchmarks/filters_speed.py SOURCE [--examples 100000] [--set PLUGIN.KEY=VALUE]

The sentences of a SOURCE's answers, drawn by a seed, make up the number of examples asked for, of which one in twenty is an
earlier one with a word changed. Every filter runs in a process of its own; the time is that of its processor, the memory its peak
above that of the examples. `judged` is not measured: its time is the grader's.
"""

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import time

PLAIN = "plain loop"
VALUES = {"longest": {"k": 1000}, "random": {"k": 1000}, "diverse": {"k": 1000}}


def sentences(source: str, settings: list[str]) -> list[str]:
    """The sentences of the answers of a source"""
    from lima import Recipe, load_plugins, open_source, parse_setting
    from lima_curate.texts import messages_of

    tables = Recipe().with_values(dict(map(parse_setting, settings))).plugins
    found = []
    for record in open_source(source, load_plugins(), tables).records:
        for message in messages_of(record):
            found += [one for one in re.split(r"(?<=[.!?])\s+", message.content) if one.strip()]
    return found


def examples(known: list[str], count: int) -> list:
    """Examples of known sentences, some nearly the same as an earlier one"""
    from lima import Example

    rng, made = random.Random(0), []
    for number in range(count):
        if made and rng.random() < 0.05:
            words = rng.choice(made).response.split(" ")
            words[rng.randrange(len(words))] = "changed"
            response = " ".join(words)
        else:
            response = " ".join(rng.choices(known, k=rng.randint(2, 20)))
        made.append(Example(id=str(number), source="made", prompt=rng.choice(known), response=response))
    return made


def measure(name: str, known: list[str], count: int) -> dict:
    """Seconds of the processor, and the peak of memory in MB above what the examples take, of a filter in this process"""
    from lima import load_plugins
    from lima_curate import open_filter
    from lima_curate.texts import messages_of

    given, plugins = examples(known, count), load_plugins()
    one = None if name == PLAIN else open_filter(plugins, name, VALUES.get(name))
    list(one.excludes(given[:2])) if one else None  # libraries and models are loaded
    base, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if one is None:
        left = sum(len(message.content.split()) < 5 for record in given for message in messages_of(record))
    else:
        left = len(list(one.excludes(given)))
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    words = sum(len(record.response.split()) for record in given)
    return {
        "filter": name,
        "examples": count,
        "words": words,
        "left_out": left,
        "seconds": round(seconds, 1),
        "mb": round((peak - base) / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, sentences(given.source, given.settings), given.examples)))
        return
    from lima import load_plugins

    print("| filter | processor seconds | MB | left out |\n|---|---|---|---|")
    for name in [PLAIN, *sorted(load_plugins().registry("filters"))]:
        if name == "judged":
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=3600)
        row = json.loads(done.stdout.strip().splitlines()[-1])
        print(f"| {name} | {row['seconds']} | {row['mb']} | {row['left_out']:,} |", flush=True)
    print(f"\n{row['examples']:,} examples, {row['words']:,} words in their answers.")


if __name__ == "__main__":
    main()
