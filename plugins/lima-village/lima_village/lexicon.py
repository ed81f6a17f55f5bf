"""The words of the village: who and what there is, and the values that its facts can have.

To add values, add words to `POOLS`; how they are stated and asked for is in `attributes`. Nothing is drawn here.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WOMEN = _words(
    "Ada Berta Clara Dora Edith Flora Greta Hilda Ida Judith Lena Mabel Nora Olga Petra Rosa Selma Thea Ursula "
    "Vera Wanda Yvonne Zelda Agnes Bianca Celia Daphne Elsa Frida Gwen Helga Irma Jutta Lotte Mona Nina Opal "
    "Paula Ruth Tilda"
)
MEN = _words(
    "Adam Boris Conrad Dirk Emil Felix Gustav Hugo Ivan Jasper Karl Linus Magnus Nils Oscar Pavel Quentin Rupert "
    "Stefan Tobias Ulrich Victor Walter Xaver Yannick Anton Bruno Casper Dennis Edgar Frank Gregor Henrik Igor "
    "Jonas Kurt Leo Martin Norbert Otto"
)
SHOPS = _words(
    "Kettle Anchor Lantern Thimble Compass Feather Horseshoe Acorn Beacon Cradle Dagger Falcon Gondola Hammer "
    "Ladder Magpie Nutshell Pebble Ribbon Saddle"
)
DISHES = _words(
    "Brandle Corvet Dapplin Eskar Fennet Gorlan Hestel Imbry Jolka Kessar Lummet Morvan Nesting Oskin Pellow "
    "Quissel Rastan Sorrin Tamber Velluck"
)

# Strangers only pass through a text: their facts differ from one text to the next, so that reading must be learnt.
STRANGE_WOMEN = _words(
    "Alma Beryl Cora Della Esme Faye Ginny Hetty Isla Jenny Kitty Lucy Molly Nelly Olive Polly Rita Sally Trudy "
    "Una Viola Winnie Betty Carol Doris Ellen Fanny Grace Holly Ivy Jane Kate Linda Maud Norma Pearl Queenie "
    "Rhoda Sylvia Tessa"
)
STRANGE_MEN = _words(
    "Abel Basil Cyril Duncan Ernest Fergus Giles Harold Isaac Jerome Keith Lloyd Miles Neville Owen Percy Ralph "
    "Simon Trevor Wilfred Alec Barney Cedric Dudley Eric Floyd George Herbert Ian Jack Kenneth Lewis Morris Nigel "
    "Oliver Peter Roger Sidney Thomas Vincent"
)

POOLS: dict[str, tuple[str, ...]] = {
    "job": _words(
        "baker smith tailor miller painter fisher carpenter gardener teacher doctor cook potter weaver hunter "
        "sailor cobbler"
    ),
    "street": tuple(
        name.replace("-", " ")
        for name in _words(
            "Mill-Lane Fish-Row Castle-Street Church-Road Bridge-Street Garden-Lane Harbour-Road Market-Row "
            "Forest-Road Tower-Street Well-Lane Orchard-Row Chapel-Lane River-Road School-Street Meadow-Row"
        )
    ),
    "town": _words(
        "Aldern Brack Corling Dunmere Eastow Farrell Gillan Hexley Inver Jarrow Kelby Lorne Marsk Norby Orrin Penby"
    ),
    "pet": _words("cat dog goat parrot hen duck rabbit goose pony tortoise lizard ferret crow snail hedgehog pig"),
    "hobby": _words(
        "chess fishing singing dancing knitting skating drawing rowing juggling climbing cycling reading "
        "swimming carving riding archery"
    ),
    "reason": _words(
        "flood fire storm quarrel debt famine plague wedding letter dream lawsuit bet drought rumour funeral feud"
    ),
    "goods": _words(
        "candles hats ropes clocks boots knives bells maps drums kites brooms barrels buttons mirrors spoons carpets"
    ),
    "day": _words("Monday Tuesday Wednesday Thursday Friday Saturday"),
    "main": _words(
        "barley carrots beans mushrooms turnips lentils cabbage herring walnuts pumpkin chestnuts leeks oats "
        "trout plums spinach"
    ),
    "method": _words("boiled baked fried smoked grilled steamed pickled roasted"),
    "season": _words("spring summer autumn winter"),
}

# Who somebody may be to another one, beside what the village knows of.
RELATIVES = _words(
    "mother father parent parents wife husband spouse son daughter child children uncle aunt cousin nephew niece grandmother "
    "grandfather neighbour neighbor neighbours enemy rival colleague boss servant lover twin"
)

# Words that may stand between a name and a value and leave what is said as it was: articles, adverbs, praise.
IDLE = _words(
    "a an the is are be might may and both who which that where one her his its their our own really actually indeed in fact of "
    "course certainly surely perhaps maybe probably also still always usually now just simply at to very dear little small big "
    "good old nice fine lovely beautiful"
)
# What may follow a value in a short answer without a comma.
HEDGES = _words("i we as of and or perhaps maybe probably certainly surely indeed naturally actually please")

# Who asks and who answers in the plays and stories of the corpus.
ASKERS = _words("Guest Traveller Stranger Clerk Child Queen Soldier Reporter Judge Visitor Monk Student")
TELLERS = _words("Host Warden Keeper Mayor Widow Postman Guard Uncle Aunt Neighbour Porter Priest")
