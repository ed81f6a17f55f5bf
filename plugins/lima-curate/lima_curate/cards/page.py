"""The card as one HTML file that needs nothing else: no script, plots as SVG, a policy that allows its own style sheet alone.

Names of sources and licences are hostile text: the template escapes everything. Knows nothing of how figures are computed.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lima import __version__, now
from lima_curate.cards.figures import Bin, Card
from lima_curate.cards.owed import ADVICE
from lima_dialogue_eval import page_templates

STYLE = Path(__file__).with_name("card.css")


def page(card: Card, title: str) -> str:
    """The card as HTML text"""
    from markupsafe import Markup

    style = STYLE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        page_templates("lima_curate", "cards")
        .get_template("card.html.jinja")
        .render(
            card=card,
            title=title,
            style=Markup(style),
            policy=policy,
            advice=ADVICE,
            version=__version__,
            created=now()[:16].replace("T", " ") + " UTC",
            plots=[(_TITLES[name], bars_of(found), card.spreads[name]) for name, found in card.lengths.items()],
            turns=bars_of([Bin(n, n + 1, count) for n, count in card.turns.items()]),
            most_languages=list(card.languages.items())[:12],
        )
    )


_TITLES = {"asked": "Tokens asked, by example", "answered": "Tokens answered, by example"}


def bars_of(found: Sequence[Bin]) -> list[dict[str, Any]]:
    """Bars of a plot 100 wide and 100 high, with the label of each and what it counts"""
    most, width = max((one.count for one in found), default=0) or 1, 100 / max(1, len(found))
    return [
        {
            "x": f"{at * width + width * 0.06:.2f}",
            "width": f"{width * 0.88:.2f}",
            "y": f"{100 - 100 * one.count / most:.2f}",
            "height": f"{100 * one.count / most:.2f}",
            "label": f"{one.low:,}" if one.high - one.low == 1 else f"{one.low:,}–{one.high - 1:,}",
            "short": f"{one.low:,}",
            "count": one.count,
        }
        for at, one in enumerate(found)
    ]
