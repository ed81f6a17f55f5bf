"""Draws the panels of a finding as one SVG for a page: text stays text, and every colour is a CSS variable of the page.

So a figure follows the reader's light or dark theme and fonts. This module does not know what the numbers mean.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from lima_village_study import words
from lima_village_study.finding import Finding, Panel, Point

WIDTH = 4.0
"""inches: about its size on a phone"""
INK, SOFT, PAPER = "#0a0a01", "#0a0a02", "#0a0a03"
SERIES = ("#0a0a11", "#0a0a12", "#0a0a13", "#0a0a14", "#0a0a15")
GRADES = ("#0a0a21", "#0a0a22", "#0a0a23")
MARKERS = ("o", "s", "^", "D", "v")
VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--line)",
    PAPER: "var(--paper)",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(SERIES, 1)},
    **dict(zip(GRADES, ("var(--excellent)", "var(--pass)", "var(--fail)"), strict=True)),
}
STYLE = Path(__file__).with_name("study.mplstyle")
"""with the colours below, which the page replaces"""


def draw(finding: Finding) -> str:
    """The finding's panels one below the other, or in two columns if there are four or more, as an `svg` element"""
    panels = finding.panels
    columns = 2 if len(panels) >= 4 else 1
    wide = len(panels) % columns  # of an odd number in two columns the first has its own row
    rows = [panels[:wide]] * bool(wide) + [panels[i : i + columns] for i in range(wide, len(panels), columns)]
    heights = [max(map(_height, row)) for row in rows]
    with rc_context({"svg.hashsalt": finding.key}, fname=STYLE):
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        FigureCanvasSVG(figure)
        grid = figure.add_gridspec(len(rows), columns, height_ratios=heights)
        places = [grid[i, j] if len(row) > 1 else grid[i, :] for i, row in enumerate(rows) for j in range(len(row))]
        for panel, place in zip(panels, places, strict=True):
            axes = figure.add_subplot(place)
            KINDS[panel.kind](axes, panel)
            if panel.kind == "line" and len(panel.series) > 1:
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2)
            axes.set_title(panel.value, loc="left", fontsize=9)
            axes.tick_params(length=0)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _for_the_page(out.getvalue(), finding.key)


def _height(panel: Panel) -> float:
    if panel.kind in ("names", "stack"):
        return 0.75 + 0.3 * sum(len(series.points) for series in panel.series[: 1 if panel.kind == "stack" else None])
    return 2.1 + 0.18 * (len(panel.series) > 1) * -(-len(panel.series) // 2)


def _names(axes: Any, panel: Panel) -> None:
    """A row for each name, a dot and its interval"""
    labels: dict[float, str] = {}
    for place, series in enumerate(panel.series):
        colour = PAPER if series.paper else SERIES[place]
        for point in series.points:
            labels[point.x] = point.name
            marker = {"fmt": "D" if series.paper else "o", "markersize": 6, "elinewidth": 1.6, "capsize": 3}
            axes.errorbar(point.y, point.x, xerr=_errors([point]), color=colour, **marker)
            label, above = words.number(point.y, panel.digits), {"xytext": (0, 6), "textcoords": "offset points"}
            axes.annotate(label, (point.y, point.x), ha="center", fontsize=8, **above)
    if panel.zero:
        axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(list(labels), list(labels.values()))
    axes.set_ylim(max(labels) + 0.5, min(labels) - 0.7)
    if panel.limits:
        axes.set_xlim(*_widened(panel.limits, 0.04))
    axes.grid(axis="x")


def _stack(axes: Any, panel: Panel) -> None:
    """A bar for each name, divided by grade"""
    left = [0.0] * len(panel.series[0].points)
    for colour, series in zip(GRADES, panel.series, strict=True):
        widths = [point.y for point in series.points]
        places = [point.x for point in series.points]
        axes.barh(places, widths, left=left, color=colour, height=0.62, label=series.name)
        for place, width, start in zip(places, widths, left, strict=True):
            if width >= 9:
                axes.text(start + width / 2, place, f"{width:.0f}", ha="center", va="center", fontsize=8.5)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    names = [point.name for point in panel.series[0].points]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)


def _line(axes: Any, panel: Panel) -> None:
    """Points with intervals along a scale, joined by a line"""
    for place, series in enumerate(panel.series):
        xs, ys = [point.x for point in series.points], [point.y for point in series.points]
        style = {
            "color": PAPER if series.paper else SERIES[place],
            "linestyle": ("--" if series.paper else "-") if series.line else "none",
            "marker": "D" if series.paper else MARKERS[place],
        }
        sizes = {"markersize": 5, "linewidth": 1.5, "elinewidth": 1.2, "capsize": 2.5}
        axes.errorbar(xs, ys, yerr=_errors(series.points), label=series.name, **style, **sizes)
        for point in series.points:
            if point.name:
                axes.annotate(
                    point.name, (point.x, point.y), (8, 0), textcoords="offset points", va="center", fontsize=8
                )
    if panel.log:
        axes.set_yscale("log")
    if panel.ticks:
        axes.set_xlim(*_widened((panel.ticks[0][0], panel.ticks[-1][0]), 0.06))
        axes.set_xticks([x for x, _ in panel.ticks], [name for _, name in panel.ticks])
    if panel.limits:
        axes.set_ylim(*_widened(panel.limits, 0.05))
    axes.set_xlabel(panel.along, fontsize=9)
    axes.grid(axis="y")


def _histogram(axes: Any, panel: Panel) -> None:
    """The frequency of each value, and the paper's value"""
    drawn, paper = panel.series
    axes.hist([point.x for point in drawn.points], bins=16, color=SERIES[0], rwidth=0.92)
    known = paper.points[0].x
    axes.axvline(known, color=PAPER, linestyle="--", linewidth=1.8, label=f"{paper.name}: {known:.1f}")
    axes.set_xlabel(panel.along, fontsize=9)
    axes.grid(axis="y")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25))


KINDS = {"names": _names, "stack": _stack, "line": _line, "histogram": _histogram}


def _widened(limits: tuple[float, float], share: float) -> tuple[float, float]:
    margin = share * (limits[1] - limits[0])
    return limits[0] - margin, limits[1] + margin


def _errors(points: Sequence[Point]) -> Any:
    """(2, n) lengths below and above; None if no point has an interval"""
    if not any(point.interval for point in points):
        return None
    ends = [point.interval or (point.y, point.y) for point in points]
    return [
        [max(0.0, point.y - low) for point, (low, _) in zip(points, ends, strict=True)],
        [max(0.0, high - point.y) for point, (_, high) in zip(points, ends, strict=True)],
    ]


def _for_the_page(text: str, key: str) -> str:
    """An svg element that scales, takes colours and font from the page, and has ids of its own"""
    spaces = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}
    for prefix, address in spaces.items():
        ElementTree.register_namespace(prefix, address)
    root = ElementTree.fromstring(text)
    for metadata in root.findall(f"{{{spaces['']}}}metadata"):
        root.remove(metadata)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    found = ElementTree.tostring(root, encoding="unicode")
    found = re.sub(r'\bid="', f'id="{key}-', found)
    found = re.sub(r'(href="#|url\(#)', rf"\1{key}-", found)
    found = re.sub(r"(font(?:-family)?: ?[^;\"']*?)'DejaVu Sans'(, [^;\"]*)?", r"\1system-ui, sans-serif", found)
    for colour, variable in VARIABLES.items():
        found = found.replace(colour, variable)
    return found
