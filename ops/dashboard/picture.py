"""A dashboard drawn as CloudWatch lays it out: a grid of 24 columns."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
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
from matplotlib.patches import Rectangle
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
_LETTER: Final = 5.5
"""Pixels of a letter of a legend, on the average."""


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


class _Drawing:
    def __init__(self, widgets: Sequence[Widget], source: Source, since: timedelta) -> None:
        rows = max((widget.y + widget.height for widget in widgets), default=0)
        self._height = _HEADER + rows * _ROW + 2 * _GAP
        size = (_WIDTH / _DOTS_PER_INCH, self._height / _DOTS_PER_INCH)
        self._figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor=_GROUND)
        self._source = source
        self._since = since
        self._widgets = widgets
        self._picture = Picture(figure=self._figure, widgets=widgets)

    def made(self, name: str, caption: str) -> Picture:
        header = self._axes(0, 0, _WIDTH, _HEADER, "header")
        header.text(14, 40, name, fontsize=17, fontweight="bold", va="center")
        badge = {"facecolor": "#FFF3D6", "edgecolor": "#E69F00", "boxstyle": "round,pad=0.7"}
        header.text(
            _WIDTH - 30, 40, caption, fontsize=10, fontweight="bold", ha="right", va="center",
            bbox=badge,
        )  # fmt: skip
        draws: dict[str, Callable[[Widget, Axes], None]] = {
            "text": self._words,
            "alarm": self._tiles,
            "metric": self._metrics,
        }
        for widget in self._widgets:
            card = self._axes(
                widget.x * _COLUMN + _GAP,
                widget.y * _ROW + _HEADER + _GAP,
                widget.width * _COLUMN - 2 * _GAP,
                widget.height * _ROW - 2 * _GAP,
                f"card of {widget.title}",
            )
            draws.get(widget.kind, self._unknown)(widget, card)
        return self._picture

    def _axes(self, x: float, y: float, width: float, height: float, label: str) -> Axes:
        """A place on the picture, in pixels from its top left corner."""
        bottom = 1 - (y + height) / self._height
        place = (x / _WIDTH, bottom, width / _WIDTH, height / self._height)
        axes = self._figure.add_axes(place, label=label)
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        return axes

    # -- kinds of widgets ----------------------------------------------------------------

    def _words(self, widget: Widget, card: Axes) -> None:
        lines = list(plain(str(widget.properties.get("markdown", ""))))
        sizes = {0: 9.0, 1: 14.0, 2: 12.0}
        heading = bool(lines) and lines[0][0] == 1
        width, height = card.get_xlim()[1], card.get_ylim()[0]
        if heading:
            card.axhline(height - 2, color=_INK, linewidth=1.1)
        else:
            self._fill(card)
        y = height / 2 if len(lines) == 1 else _LINE
        for level, line in lines:
            for part in textwrap.wrap(line, max(20, int(width / 7))):
                card.text(
                    4 if heading else 12, y, part, fontsize=sizes.get(level, 10.5), va="center",
                    fontweight="bold" if level else "normal",
                )  # fmt: skip
                y += _LINE * (1.5 if level in (1, 2) else 1.15)

    def _tiles(self, widget: Widget, card: Axes) -> None:
        self._titled(widget, card)
        names = widget.alarms
        states = self._source.states(names)
        # What all begin with is said once: names are long.
        common = _common_start(names)
        right = card.get_xlim()[1] - 12
        hint = f"names begin with {common}" if common else ""
        card.text(right, 17, hint, fontsize=8, color=_FAINT, ha="right", va="center")
        columns = max(1, int(right // 250))
        rows = max(1, -(-len(names) // columns))
        width, height = right / columns, min(30.0, (card.get_ylim()[0] - 40) / rows)
        for number, alarm in enumerate(names):
            x, y = 12 + number // rows * width, 30 + number % rows * height
            colour, mark = _STATES.get(states.get(alarm, ""), _ABSENT)
            tile = (x, y + 2), width - 18, height - 4
            card.add_patch(Rectangle(*tile, facecolor=colour, alpha=0.13, linewidth=0))
            card.add_patch(Rectangle((x, y + 2), 18, height - 4, color=colour, linewidth=0))
            middle = y + height / 2
            card.text(
                x + 9, middle, mark, fontsize=8, fontweight="bold", color="white", ha="center",
                va="center",
            )  # fmt: skip
            card.text(x + 24, middle, alarm.removeprefix(common), fontsize=_SMALL, va="center")

    def _metrics(self, widget: Widget, card: Axes) -> None:
        self._titled(widget, card)
        lines = self._source.series(metrics(widget))
        for line in lines:
            if line.note:
                self._remark(f"{widget.title}: {line.label}: {line.note}")
        view = widget.properties.get("view", "timeSeries")
        kind = "stacked" if widget.properties.get("stacked") else view
        if kind != "timeSeries":
            self._placeholder(card, f"metrics as {kind!r} are not drawn")
        else:
            self._graph(widget, card, lines)

    def _unknown(self, widget: Widget, card: Axes) -> None:
        self._titled(widget, card)
        self._placeholder(card, f"widgets of type {widget.kind!r} are not drawn")

    # -- views of metrics ----------------------------------------------------------------

    def _graph(self, widget: Widget, card: Axes, lines: Sequence[Series]) -> None:
        width, height = card.get_xlim()[1], card.get_ylim()[0]
        # As many to a row of the legend as the longest has room for.
        longest = max((len(line.label) for line in lines), default=0)
        columns = max(1, int((width - 24) / (_LETTER * longest + 45)))
        bottom = 24 + _LINE * -(-len(lines) // columns)
        room = width - _AXIS_LEFT - _AXIS_RIGHT
        inner = (_AXIS_LEFT / width, bottom / height, room / width, 1 - (54 + bottom) / height)
        axes = self._scaled(card, inner, widget.title)
        drawn = []
        for index, line in enumerate(lines):
            alone = np.isfinite(line.values).sum() == 1
            drawn += axes.plot(
                line.minutes,
                line.values,
                label=line.label,
                color=_COLOURS[index % len(_COLOURS)],
                linestyle=_STYLES[index // len(_COLOURS) % len(_STYLES)],
                linewidth=1.5,
                marker="o" if alone else None,
                markersize=3.5,
            )
        card.legend(
            handles=drawn, loc="lower left", bbox_to_anchor=(4 / width, 0), ncols=columns,
            frameon=False, fontsize=_SMALL, handlelength=1.4, labelspacing=0.35,
        )  # fmt: skip
        side = widget.properties.get("yAxis", {}).get("left", {})
        thresholds = widget.properties.get("annotations", {}).get("horizontal", [])
        self._scale(axes, side, lines, thresholds)
        self._thresholds(axes, thresholds)
        card.text(12, 35, side.get("label", ""), fontsize=8, color=_FAINT, va="center")
        if not any(line.has_data for line in lines):
            axes.text(
                0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center",
                fontsize=9, color=_FAINT,
            )  # fmt: skip

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

    def _thresholds(self, axes: Axes, thresholds: Sequence[Mapping[str, Any]]) -> None:
        """Horizontal lines, with what they mean."""
        for each in thresholds:
            value = float(each["value"])
            axes.axhline(value, color=_ALARMING, linestyle=(0, (4, 3)), linewidth=1.1)
            axes.annotate(
                each.get("label", ""),
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

    def _scaled(self, card: Axes, place: tuple[float, float, float, float], title: str) -> Axes:
        axes = card.inset_axes(place, label=title, facecolor="none")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color("#AAB7B8")
        axes.grid(axis="y", color="#E6E9EC", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, labelsize=7, labelcolor=_FAINT, pad=3)
        minutes = self._since.total_seconds() / 60
        axes.set_xlim(-minutes, 0)
        step = _step(minutes, 6 if card.get_xlim()[1] > 270 else 2)
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

    def _titled(self, widget: Widget, card: Axes) -> None:
        self._fill(card)
        card.text(12, 17, widget.title, fontsize=9.5, fontweight="bold", va="center")

    def _fill(self, card: Axes) -> None:
        card.add_patch(
            Rectangle(
                (0, 0), 1, 1, transform=card.transAxes, facecolor="white", edgecolor="#D5DBDB"
            )
        )

    def _placeholder(self, card: Axes, text: str) -> None:
        card.text(
            0.5, 0.45, text, transform=card.transAxes, fontsize=8, ha="center", va="center",
            bbox={"facecolor": "#FBEDE6", "edgecolor": _ALARMING, "linestyle": "--", "pad": 14},
        )  # fmt: skip
        self._remark(text)

    def _remark(self, text: str) -> None:
        if text not in self._picture.remarks:
            self._picture.remarks.append(text)


def _common_start(names: Sequence[str]) -> str:
    """What all names begin with, up to a dash; nothing where there is only one."""
    start = commonprefix(names) if len(names) > 1 else ""  # noqa: RUF071 - letter by letter
    return start[: start.rfind("-") + 1]


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
