"""A dashboard drawn as CloudWatch lays it out: a grid of 24 columns."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from os.path import commonprefix
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ops.dashboard.body import Widget, metrics, plain
from ops.dashboard.data import Series, Source

# All lengths are in pixels.
_WIDTH: Final = 1600
_DOTS_PER_INCH: Final = 100
_COLUMN: Final = _WIDTH / 24
_ROW: Final = 46
_HEADER: Final = 84
_GAP: Final = 5
_LINE: Final = 16
_AXIS_LEFT: Final = 50
_AXIS_RIGHT: Final = 14

# Colour-blind safe: Okabe and Ito, "Color Universal Design" (2008). Vermilion is for what alarms.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#4D4D4D")
_STYLES: Final = ("-", "--", ":")
_ALARMING: Final = "#D55E00"
_STATES: Final = {
    "OK": ("#009E73", "✓"),
    "ALARM": (_ALARMING, "!"),
    "INSUFFICIENT_DATA": ("#7F8C8D", "?"),
}
_ABSENT: Final = ("#7F8C8D", "–")
_INK: Final = "#16191F"
_FAINT: Final = "#687078"
_GROUND: Final = "#F2F3F3"
_SETTINGS: Final[Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on each machine
    "text.parse_math": False,
    "text.color": _INK,
    "path.simplify": True,
}
_SMALL: Final = 7.5
_TINY: Final = 6.5


FINGERPRINT: Final = "Widgets"
"""The name of a PNG file's text that tells whether it is a picture of these widgets."""


def fingerprint(widgets: Sequence[Widget]) -> str:
    """SHA-256 of the widgets, whatever order their properties were written in."""
    document = json.dumps([asdict(widget) for widget in widgets], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


_PALETTE: Final = 64
"""Colours of a picture: a third of the size of all colours, and no eye sees a difference."""


@dataclass(kw_only=True)
class Picture:
    """A drawn dashboard.

    Attributes:
        widgets: what it is a picture of.
        remarks: what could not be drawn as CloudWatch does; each is in the picture too.
    """

    figure: Figure
    widgets: Sequence[Widget]
    remarks: list[str] = field(default_factory=list)

    def save(self, file: Path) -> None:
        """Write it as PNG, with a fingerprint of its widgets (raises OSError)."""
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        about = PngInfo()
        about.add_text(FINGERPRINT, fingerprint(self.widgets))
        image = Image.fromarray(np.asarray(pixels)).convert("RGB").quantize(_PALETTE)
        image.save(file, "PNG", optimize=True, pnginfo=about)


def draw(
    widgets: Sequence[Widget], source: Source, *, name: str, caption: str, since: timedelta
) -> Picture:
    """Draw a dashboard.

    Args:
        caption: where its data comes from; beside the name.
        since: how far back the lines go.
    """
    with mpl.rc_context(_SETTINGS):
        return _Drawing(widgets, source, since).made(name, caption)


@dataclass(frozen=True)
class _Box:
    """A place on the picture, from its top left corner."""

    x: float
    y: float
    width: float
    height: float


class _Drawing:
    def __init__(self, widgets: Sequence[Widget], source: Source, since: timedelta) -> None:
        rows = max((widget.y + widget.height for widget in widgets), default=0)
        self._height = _HEADER + rows * _ROW + 2 * _GAP
        size = (_WIDTH / _DOTS_PER_INCH, self._height / _DOTS_PER_INCH)
        self._figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor=_GROUND)
        canvas = FigureCanvasAgg(self._figure)
        self._renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
        # For everything but the graphs, in pixels from the top left.
        self._paper = self._figure.add_axes((0, 0, 1, 1), label="paper")
        self._paper.set(xlim=(0, _WIDTH), ylim=(self._height, 0))
        self._paper.axis("off")
        self._widgets = widgets
        self._source = source
        self._since = since
        self._picture = Picture(figure=self._figure, widgets=widgets)

    def made(self, name: str, caption: str) -> Picture:
        self._text(2 * _GAP + 4, 40, name, size=17, weight="bold")
        self._badge(_WIDTH - 2 * _GAP - 4, 40, caption)
        draws: dict[str, Callable[[Widget, _Box], None]] = {
            "text": self._words,
            "alarm": self._tiles,
            "metric": self._metrics,
        }
        for widget in self._widgets:
            box = _Box(
                widget.x * _COLUMN + _GAP,
                widget.y * _ROW + _HEADER + _GAP,
                widget.width * _COLUMN - 2 * _GAP,
                widget.height * _ROW - 2 * _GAP,
            )
            draws.get(widget.kind, self._unknown)(widget, box)
        return self._picture

    # -- kinds of widgets ----------------------------------------------------------------

    def _words(self, widget: Widget, box: _Box) -> None:
        lines = list(plain(str(widget.properties.get("markdown", ""))))
        sizes = {0: 9.0, 1: 14.0, 2: 12.0}
        heading = bool(lines) and lines[0][0] == 1
        if not heading:
            self._card(box)
        y = box.y + (box.height if len(lines) == 1 else 2 * _LINE) / 2
        for level, line in lines:
            for part in textwrap.wrap(line, max(20, int(box.width / 7))):
                self._text(
                    box.x + (4 if heading else 12),
                    y,
                    part,
                    size=sizes.get(level, 10.5),
                    weight="bold" if level else "normal",
                )
                y += _LINE * (1.5 if level in (1, 2) else 1.15)
        if heading and box.height < 1.5 * _ROW:
            self._rule(box)

    def _tiles(self, widget: Widget, box: _Box) -> None:
        self._titled(widget, box)
        names = widget.alarms
        states = self._source.states(names)
        # What all begin with is said once: names are long.
        common = _common_start(names)
        hint = f"names begin with {common}" if common else ""
        self._text(box.x + box.width - 12, box.y + 17, hint, color=_FAINT, align="right")
        inner = _Box(box.x + 12, box.y + 30, box.width - 24, box.height - 40)
        columns = max(1, int(inner.width // 250))
        rows = max(1, -(-len(names) // columns))
        width, height = inner.width / columns, min(30.0, inner.height / rows)
        for number, alarm in enumerate(names):
            row, column = number % rows, number // rows
            x, y = inner.x + column * width, inner.y + row * height
            colour, mark = _STATES.get(states.get(alarm, ""), _ABSENT)
            tile = (x, y + 2), width - 6, height - 4
            self._paper.add_patch(Rectangle(*tile, facecolor=colour, alpha=0.13, linewidth=0))
            self._paper.add_patch(Rectangle((x, y + 2), 18, height - 4, color=colour, linewidth=0))
            self._text(
                x + 9, y + height / 2, mark, size=8, weight="bold", color="white", align="center"
            )
            label = self._fitted(alarm.removeprefix(common), width - 34, _SMALL)
            self._text(x + 24, y + height / 2, label, size=_SMALL)

    def _metrics(self, widget: Widget, box: _Box) -> None:
        self._titled(widget, box)
        lines = self._source.series(metrics(widget))
        for line in lines:
            if line.note:
                self._remark(f"{widget.title}: {line.label}: {line.note}")
        view = widget.properties.get("view", "timeSeries")
        kind = "stacked" if widget.properties.get("stacked") else view
        if kind != "timeSeries":
            self._placeholder(box, f"metrics as {kind!r} are not drawn")
        else:
            self._graph(widget, box, lines)

    def _unknown(self, widget: Widget, box: _Box) -> None:
        self._titled(widget, box)
        self._placeholder(box, f"widgets of type {widget.kind!r} are not drawn")

    # -- views of metrics ----------------------------------------------------------------

    def _graph(self, widget: Widget, box: _Box, lines: Sequence[Series]) -> None:
        legend = [(line.label, index) for index, line in enumerate(lines)]
        rows = list(self._in_rows(legend, box.width - 24))
        top, bottom = 54, 24 + _LINE * len(rows)
        right = any(line.right for line in lines)
        inner = _Box(
            box.x + _AXIS_LEFT,
            box.y + top,
            box.width - _AXIS_LEFT - (_AXIS_LEFT if right else _AXIS_RIGHT),
            box.height - top - bottom,
        )
        axes = self._axes(inner, widget.title)
        others = axes.twinx() if right else axes
        for index, line in enumerate(lines):
            where = others if line.right else axes
            alone = np.isfinite(line.values).sum() == 1
            where.plot(
                line.minutes,
                line.values,
                color=_colour(index),
                linestyle=_style(index),
                linewidth=1.5,
                marker="o" if alone else None,
                markersize=3.5,
            )
        sides = widget.properties.get("yAxis", {})
        thresholds = widget.properties.get("annotations", {}).get("horizontal", [])
        for name, where in (("left", axes), ("right", others))[: 1 + right]:
            own = [each for each in thresholds if each.get("yAxis", "left") == name]
            drawn = [line for line in lines if line.right == (name == "right")]
            self._scale(where, sides.get(name, {}), drawn, own)
            self._thresholds(where, own, inner.width)
        self._text(box.x + 12, box.y + 35, sides.get("left", {}).get("label", ""), color=_FAINT)
        if not any(line.has_data for line in lines):
            axes.text(
                0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center",
                fontsize=9, color=_FAINT,
            )  # fmt: skip
        for number, row in enumerate(rows):
            y = box.y + box.height - _LINE * (len(rows) - number) + 2
            for x, text, index in row:
                self._paper.plot(
                    [box.x + 12 + x, box.x + 26 + x], [y, y],
                    color=_colour(index), linestyle=_style(index), linewidth=2.2,
                )  # fmt: skip
                self._text(box.x + 31 + x, y, text, size=_SMALL)

    def _scale(
        self,
        axes: Axes,
        side: Mapping[str, Any],
        lines: Sequence[Series],
        thresholds: Sequence[Mapping[str, Any]],
    ) -> None:
        """From 0, or what is below, to a little above what there is, thresholds included."""
        values = [line.values[np.isfinite(line.values)] for line in lines if line.has_data]
        known = np.concatenate([*values, [float(each["value"]) for each in thresholds], [0.0]])
        low = side.get("min", float(known.min()))
        high = side.get("max", float(known.max()) * 1.18)
        axes.set_ylim(low, high if high > low else low + 1.18)

    def _thresholds(
        self, axes: Axes, thresholds: Sequence[Mapping[str, Any]], width: float
    ) -> None:
        """Horizontal lines, with what they mean."""
        for each in thresholds:
            value = float(each["value"])
            axes.axhline(value, color=_ALARMING, linestyle=(0, (4, 3)), linewidth=1.1)
            axes.annotate(
                self._fitted(each.get("label", ""), width - 8, _TINY),
                (0, value),
                xycoords=axes.get_yaxis_transform(),
                xytext=(3, 2),
                textcoords="offset points",
                fontsize=_TINY,
                color=_ALARMING,
                va="bottom",
                # Readable where lines cross it.
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5},
            )

    # -- parts ---------------------------------------------------------------------------

    def _axes(self, box: _Box, title: str) -> Axes:
        axes = self._figure.add_axes(
            (
                box.x / _WIDTH,
                1 - (box.y + box.height) / self._height,
                box.width / _WIDTH,
                box.height / self._height,
            ),
            label=title,
            facecolor="none",
        )
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color("#AAB7B8")
        axes.grid(axis="y", color="#E6E9EC", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, labelsize=7, labelcolor=_FAINT, pad=3)
        minutes = self._since.total_seconds() / 60
        axes.set_xlim(-minutes, 0)
        step = _step(minutes, 6 if box.width > 200 else 2)
        axes.set_xticks(np.arange(-(minutes // step) * step, step / 2, step))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _ago(value)))
        # The outer ones within the graph's width, so that none runs into its neighbour's.
        labels = axes.get_xticklabels()
        if minutes % step == 0:
            labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        return axes

    def _titled(self, widget: Widget, box: _Box) -> None:
        self._card(box)
        title = self._fitted(widget.title, box.width - 24, 9.5, weight="bold")
        self._text(box.x + 12, box.y + 17, title, size=9.5, weight="bold")

    def _card(self, box: _Box, **style: Any) -> None:
        settings = {"facecolor": "white", "edgecolor": "#D5DBDB", "linewidth": 0.8, **style}
        corner = "round,pad=0,rounding_size=4"
        self._paper.add_patch(
            FancyBboxPatch((box.x, box.y), box.width, box.height, boxstyle=corner, **settings)
        )

    def _rule(self, box: _Box) -> None:
        y = box.y + box.height - 2
        self._paper.plot([box.x + 4, box.x + box.width - 4], [y, y], color=_INK, linewidth=1.1)

    def _badge(self, right: float, y: float, text: str) -> None:
        width = self._width(text, 10, "bold") + 28
        self._card(_Box(right - width, y - 16, width, 32), facecolor="#FFF3D6", edgecolor="#E69F00")
        self._text(right - width / 2, y, text, size=10, weight="bold", align="center")

    def _placeholder(self, box: _Box, text: str) -> None:
        inner = _Box(box.x + 12, box.y + 32, box.width - 24, box.height - 44)
        self._card(inner, facecolor="#FBEDE6", edgecolor=_ALARMING, linestyle="--")
        self._text(box.x + box.width / 2, inner.y + inner.height / 2, text, align="center")
        self._remark(text)

    def _remark(self, text: str) -> None:
        if text not in self._picture.remarks:
            self._picture.remarks.append(text)

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 8,
        weight: str = "normal",
        color: str = _INK,
        align: str = "left",
    ) -> None:
        self._paper.text(
            x, y, text, fontsize=size, fontweight=weight, color=color, ha=align,
            va="center_baseline",
        )  # fmt: skip

    def _in_rows(
        self, legend: Sequence[tuple[str, int]], width: float
    ) -> Iterator[list[tuple[float, str, int]]]:
        """Rows of (x, text, index): as many to a row as have room."""
        row: list[tuple[float, str, int]] = []
        x = 0.0
        for label, index in legend:
            text = self._fitted(label, width - 20, _SMALL)
            room = 19 + self._width(text, _SMALL) + 14
            if row and x + room > width + 14:
                yield row
                row, x = [], 0.0
            row.append((x, text, index))
            x += room
        if row:
            yield row

    def _fitted(self, text: str, width: float, size: float, weight: str = "normal") -> str:
        """The text, or as much of it as has room."""
        if self._width(text, size, weight) <= width:
            return text
        while text and self._width(f"{text}…", size, weight) > width:
            text = text[:-1]
        return f"{text}…"

    def _width(self, text: str, size: float, weight: str = "normal") -> float:
        font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
        return float(self._renderer.get_text_width_height_descent(text, font, ismath=False)[0])


def _common_start(names: Sequence[str]) -> str:
    """What all names begin with, up to a dash; nothing where there is only one."""
    start = commonprefix(names) if len(names) > 1 else ""  # noqa: RUF071 - letter by letter
    return start[: start.rfind("-") + 1]


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _style(index: int) -> str:
    return _STYLES[index // len(_COLOURS) % len(_STYLES)]


def _short(value: float) -> str:
    """A number for an axis: 0.25, 1500, 24k, 99G."""
    if abs(value) >= 10_000:
        return str(EngFormatter(sep="")(value))
    return f"{value:,.4g}"


def _step(minutes: float, most: int) -> float:
    """Between marks of time, in minutes: so that there are not more than so many steps."""
    steps = (5, 15, 30, 60, 120, 240, 480, 1440)
    return next((float(step) for step in steps if minutes / step <= most), minutes)


def _ago(minutes: float) -> str:
    if minutes == 0:
        return "now"
    hours = -minutes / 60
    return f"−{hours:.3g} h" if hours >= 1 else f"−{-minutes:.3g} min"
