"""From a mix to its examples: pools are opened and filtered, so many of each are drawn, and all of it is counted.

The same mix and the same sources give the same examples in the same order. Knows nothing of files or the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lima import LimaError, Plugins, Record, Store, drawn
from lima_curate.filters.chain import open_filter
from lima_curate.filters.contamination import contamination
from lima_curate.lengths import Counter, Lengths
from lima_curate.mixes.pools import OnExample, Pool, Tables, filter_together, pool_of, specs_of
from lima_curate.mixes.recipe import Mix
from lima_dialogue_eval import count_of

HALF = 0.5
"The share of the loss from which on one of several sources decides what is learnt"
_NAMED = 3
"Examples that an error names"


@dataclass(frozen=True)
class Mixture:
    """What a mix became"""

    mix: Mix
    method: str
    pools: tuple[Pool, ...]
    missing: Mapping[str, str]
    "Sources that are not here, with what to do about each"
    counter: Counter
    asked: tuple[str, ...] = ()
    "Why examples are contaminated, one a sentence, where that was allowed"
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def records(self) -> list[Record]:
        """The examples, in the order of the sources"""
        return [one for pool in self.pools for one in pool.taken]

    @cached_property
    def lengths(self) -> list[Lengths]:
        """Tokens of each source"""
        return [self.counter.of_all(pool.taken) for pool in self.pools]

    def shares(self) -> list[tuple[float, float]]:
        """(share of all tokens, share of the loss's) of each source"""
        total = sum(self.lengths, Lengths())
        tokens, learnt = total.asked + total.answered, total.learnt
        return [
            ((one.asked + one.answered) / tokens if tokens else 0.0, one.learnt / learnt if learnt else 0.0)
            for one in self.lengths
        ]

    def remarks(self) -> list[str]:
        """Sentences on what somebody should know before training on it"""
        found = [f"Missing: {name}. {advice}." for name, advice in self.missing.items()]
        for pool in self.pools:
            wanted = pool.entry.take or round(pool.entry.share * self.mix.n)
            if wanted > len(pool.taken):
                found.append(
                    f"{pool.entry.name}: only {len(pool.taken):,} of the {count_of(wanted, 'example')} that it should give."
                )
        if self.mix.n > len(self.records):
            found.append(
                f"The mix has only {len(self.records):,} of the {count_of(self.mix.n, 'example')} that its n asks for: its "
                "sources give no more."
            )
        for pool, (_, loss) in zip(self.pools, self.shares(), strict=True):
            if loss >= HALF and len(self.pools) > 1:
                found.append(
                    f"{pool.entry.name} has {100 * loss:.1f} % of the tokens that the loss is taken over: mostly how it answers "
                    "is learnt. Take fewer or shorter ones, or give its examples a smaller weight."
                )
        if self.asked:
            found.append(
                f"{_examples(len(self.asked))} what an evaluation asks, as --allow-contamination allows: do not evaluate on that."
            )
        return found


def mixture(
    mix: Mix,
    plugins: Plugins,
    counter: Counter,
    *,
    paths: Mapping[str, str] | None = None,
    tables: Tables | None = None,
    method: str = "",
    contaminated: bool = False,
    store: Store | None = None,
    on_example: OnExample | None = None,
) -> Mixture:
    """The examples of a mix; `method` draws otherwise than the mix says, and `contaminated` keeps what its filters would not

    LimaError where a source is missing that must be there, nothing is left, or, unless `contaminated` may be, examples ask what
    an evaluation asks."""
    if contaminated:
        mix = mix.without("contamination")
    there, missing = specs_of(mix, plugins, paths or {})
    pools = [
        pool_of(one, there[one.name], plugins, tables or {}, method or mix.draw, store, on_example)
        for one in mix.sources
        if one.name in there
    ]
    _check_different(pools)
    filter_together(pools, mix.filters, plugins, store)
    for pool, count in zip(pools, counts(mix, pools), strict=True):
        pool.taken = _taken(pool.kept, count, method or mix.draw, mix.seed, plugins)
    asked = contamination([one for pool in pools for one in pool.taken], plugins, tables=tables)
    made = Mixture(
        mix, method or mix.draw, tuple(pools), missing, counter, tuple(one.reason for one in asked), dict(paths or {})
    )
    if not made.records:
        raise LimaError(
            f"The mix {mix.name!r} has no examples: its filters leave out all {sum(p.examples for p in pools):,}."
        )
    if asked and not contaminated:
        records = made.records
        named = "".join(f"\n  {records[one.place].id!r}: {one.reason}" for one in asked[:_NAMED])
        raise LimaError(
            f"Of {count_of(len(records), 'example')}, {_examples(len(asked))} what an evaluation asks, so it would "
            f"measure memory:{named}\n"
            'Leave them out with filters = ["contamination"] in the mix, or keep them with --allow-contamination.'
        )
    return made


def counts(mix: Mix, pools: Sequence[Pool]) -> list[int]:
    """How many examples each pool gives: what its source takes, of the others all, or so many that they are n together"""
    sizes = [len(pool.kept) for pool in pools]
    wanted = [pool.entry.take or round(pool.entry.share * mix.n) for pool in pools]
    found = [min(pair) for pair in zip(wanted, sizes, strict=True)]
    open_ones = [at for at, count in enumerate(wanted) if not count and not pools[at].entry.share]
    free = [sizes[at] for at in open_ones]
    left = max(0, mix.n - sum(found))
    more = drawn(free, left, mix.tau, mix.seed) if left or not mix.n else [0] * len(free)
    for at, count in zip(open_ones, more, strict=True):
        found[at] = count
    return found


def _taken(kept: list[Record], count: int, method: str, seed: int, plugins: Plugins) -> list[Record]:
    """So many of a pool, in its order"""
    if method == "first" or not 0 < count < len(kept):
        return kept[:count]
    options = {"k": count} | ({"seed": seed} if method == "random" else {})
    gone = {one.place for one in open_filter(plugins, method, options).excludes(kept)}
    return [one for place, one in enumerate(kept) if place not in gone]


def _check_different(pools: Sequence[Pool]) -> None:
    for at, pool in enumerate(pools):
        if same := [other.entry.name for other in pools[:at] if other.hash == pool.hash]:
            raise LimaError(
                f"The sources {same[0]!r} and {pool.entry.name!r} have the same examples. Leave one of them out."
            )


def _examples(count: int) -> str:
    return count_of(count, "example asks", "examples ask")
