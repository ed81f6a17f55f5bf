"""Objects of one kind by the names under which plugins registered them, each checked and with one owner.

The Protocols load with the first object, so that `lima --help` does without them. Knows nothing of how plugins are found, nor of
what a kind is for.
"""

from typing import Any

from lima.errors import LimaError, did_you_mean
from lima.isolation import plugin_code


class Registry(dict[str, Any]):
    """Objects by name, each with one owner"""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.owners: dict[str, str] = {}
        self.contested: dict[str, str] = {}
        "Names that a second plugin wanted: why they cannot be used"
        self.rivals: dict[str, list[str]] = {}
        "The plugins that wanted a contested name besides its owner"

    def find(self, name: str) -> Any:
        """The object of that name; LimaError naming the known ones, or both owners of a contested name"""
        if name in self.contested:
            raise LimaError(self.contested[name])
        if name not in self:
            raise LimaError(f"There is no {singular(self.kind)} {name!r}.{did_you_mean(name, self)}")
        return self[name]

    def split(self, spec: str) -> tuple[str, str | None]:
        """(name, argument) of NAME or NAME:ARGUMENT; a registered name may have a colon"""
        name, colon, argument = spec.partition(":")
        return (spec, None) if spec in self or not colon else (name, argument)

    def opens(self, spec: str) -> bool:
        """Whether NAME or NAME:ARGUMENT must be opened: where there is an argument, or the object itself answers nothing"""
        from lima.contract.kinds import KINDS, Opens

        (name, argument), kind = self.split(spec), KINDS[self.kind]
        thing = self.find(name)
        itself = kind.some and any(isinstance(thing, ability) for ability in kind.optional if ability is not Opens)
        return isinstance(thing, Opens) and (argument is not None or not itself)

    def open(self, spec: str, store: Any, **options: Any) -> Any:
        """What NAME or NAME:ARGUMENT names: opened by the object of that name and checked, or the object itself"""
        from lima.contract.conformance import check
        from lima.contract.kinds import KINDS

        name, argument = self.split(spec)
        thing, owner, noun = self.find(name), self.owners[name], singular(self.kind)
        if not self.opens(spec):
            if argument is not None:
                raise LimaError(f"The {noun} {name!r} takes no argument. Write {name} instead of {spec}.")
            return thing
        with plugin_code(f"opening the {noun} {name!r}", owner):
            opened = thing.open(argument, store, **options)
        if kind := KINDS[self.kind].opened:
            try:
                check(opened, f"Plugin {owner!r} opened the {noun} {spec!r}: the object", kind)
            except LimaError as e:
                raise LimaError(f"{e}.") from e.__cause__
        return opened

    def lacking(self, spec: str, ability: type, purpose: str) -> str:
        """The sentence for an object without an ability that is needed to do something, with those that have it"""
        from lima.contract.conformance import signatures

        able = ", ".join(self.able(ability)) or "none"
        return f"The {singular(self.kind)} {spec!r} cannot {purpose}: it has no {signatures(ability)}. Those that have: {able}."

    def able(self, ability: type) -> list[str]:
        """The names of those with an optional ability"""
        return sorted(name for name, thing in self.items() if isinstance(thing, ability))


def singular(kind: str) -> str:
    """'base_models' → 'base model'"""
    return kind.removesuffix("s").replace("_", " ")


def check_entries(kind: str, entries: dict[str, Any], declared: list[type]) -> None:
    """Raise LimaError for a registered object without what its kind must have (see lima.contract.kinds)"""
    from lima.contract.conformance import check
    from lima.contract.kinds import KINDS

    for name in entries:
        if not isinstance(name, str) or not name.strip():
            raise LimaError(f"a {singular(kind)} is registered under {name!r}; expected a name that is not empty")
    for name, thing in entries.items():
        check(thing, f"the {singular(kind)} {name!r}", KINDS[kind], declared)
        if kind == "migrations" and thing.name != name:
            raise LimaError(f"the set of migrations {thing.name!r} is registered as {name!r}; give both the same name")
