"""The picture of the dashboard shows all of it, in its places, and is the same each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from ops.dashboard.body import Metric, Widget, metrics, synthesized, widgets
from ops.dashboard.data import Samples, Series, span
from ops.dashboard.picture import FINGERPRINT, Picture, draw, fingerprint
from tests.synthesis import ROOT, Synthesized

HOURS = timedelta(hours=3)
VIEWS = {"timeSeries"}
KINDS = {"text", "alarm", "metric"}


@pytest.fixture(scope="session")
def dashboard(synthesized: Synthesized) -> list[Widget]:
    return widgets(_body(synthesized))


def _body(app: Synthesized) -> Mapping[str, Any]:
    _, body = synthesized(app.folder)
    return body


class Given:
    """Lines and states of a test."""

    def __init__(self, *values: Sequence[float], states: Mapping[str, str] | None = None) -> None:
        self._values = values
        self._states = states or {}

    def series(self, metrics: Sequence[Metric]) -> list[Series]:
        return [
            Series(
                label=metric.label,
                minutes=np.linspace(-60, 0, len(values)),
                values=np.array(values, dtype=float),
            )
            for metric, values in zip(metrics, self._values, strict=True)
        ]

    def states(self, alarms: Sequence[str]) -> Mapping[str, str]:
        return {name: state for name, state in self._states.items() if name in alarms}


def widget(kind: str = "metric", **properties: Any) -> Widget:
    return Widget(kind=kind, x=0, y=0, width=8, height=6, properties={"title": "T", **properties})


def drawn(*shown: Widget, source: Any = None) -> Picture:
    given: Any = source or Given()
    return draw(shown, given, name="N", caption="C", since=HOURS)


def graphs(picture: Picture) -> list[Any]:
    return [graph for card in picture.figure.axes for graph in card.child_axes]


def texts(picture: Picture) -> list[str]:
    found = [text for axes in (*picture.figure.axes, *graphs(picture)) for text in axes.texts]
    legends = [legend for card in picture.figure.axes if (legend := card.get_legend())]
    return [text.get_text() for text in (*found, *(t for each in legends for t in each.texts))]


ONE_LINE: list[Any] = [["Payments", "Made", {"label": "made"}]]


# -- the dashboard of the templates ------------------------------------------------------


def test_every_widget_of_the_dashboard_is_of_a_kind_that_is_drawn(dashboard: list[Widget]) -> None:
    assert {each.kind for each in dashboard} <= KINDS
    views = {each.properties.get("view") for each in dashboard if each.kind == "metric"}
    assert views <= VIEWS
    assert len(dashboard) > 40


def test_a_widget_of_each_kind_of_the_dashboard_stands_in_its_place_with_its_title(
    dashboard: list[Widget],
) -> None:
    one_each = list({(each.kind, each.width): each for each in dashboard}.values())
    picture = drawn(*one_each, source=Samples(HOURS))
    metrics_ = [each.title for each in one_each if each.kind == "metric"]
    assert [axes.get_label() for axes in graphs(picture)] == metrics_
    for each in one_each:
        if each.kind != "text":
            assert each.title in texts(picture)
    # Pixels to the right of the left edge, in CloudWatch's 24 columns.
    for card, each in zip(picture.figure.axes[1:], one_each, strict=True):
        begin, end = card.get_position().x0 * 24, card.get_position().x1 * 24
        assert each.x < begin < end < each.x + each.width
    assert picture.remarks == []


def test_samples_have_a_line_for_all_that_the_dashboard_shows(dashboard: list[Widget]) -> None:
    samples = Samples(HOURS)
    for each in dashboard:
        lines = samples.series(metrics(each))
        asked = [metric for metric in metrics(each) if metric.visible]
        assert len(lines) >= len(asked), each.title
        assert [line.note for line in lines if line.note] == [], each.title
        assert all(line.has_data for line in lines), each.title


def test_what_the_dashboard_refers_to_has_names_that_people_know(dashboard: list[Widget]) -> None:
    named = {value for each in dashboard for m in metrics(each) for value in m.dimensions.values()}
    assert {"payment-validator", "payment-transactions", "payments-ledger", "prod"} <= named
    assert not [name for name in named if "Token" in name or "NestedStack" in name]
    states = [name for each in dashboard for name in each.alarms]
    assert states
    assert all(name.startswith("payments-") for name in states), states


def test_the_picture_in_the_docs_is_of_this_dashboard(dashboard: list[Widget]) -> None:
    file = ROOT / "docs" / "dashboard.png"
    assert file.stat().st_size <= 250 * 1024
    with Image.open(file) as image:
        assert image.width == 1600
        assert image.info[FINGERPRINT] == fingerprint(dashboard), "`make dashboard` draws it anew"


# -- kinds of widgets --------------------------------------------------------------------


def test_a_widget_of_an_unknown_type_is_told_and_not_dropped() -> None:
    picture = drawn(widget("hologram"))
    assert picture.remarks == ["widgets of type 'hologram' are not drawn"]
    assert "T" in texts(picture)
    assert picture.remarks[0] in texts(picture)


@pytest.mark.parametrize(
    ("how", "told"), [({"view": "pie"}, "pie"), ({"stacked": True}, "stacked")]
)
def test_a_view_of_metrics_that_is_not_drawn_is_told(how: dict[str, Any], told: str) -> None:
    picture = drawn(widget(metrics=ONE_LINE, **how), source=Given([1.0]))
    assert picture.remarks == [f"metrics as {told!r} are not drawn"]


def test_headings_stand_without_their_marks() -> None:
    shown = widget("text", markdown="# Money\n**[Ledger](https://example.com)** of `payments`")
    assert texts(drawn(shown))[2:] == ["Money", "Ledger of payments"]


def test_alarms_have_the_colour_and_the_sign_of_their_state() -> None:
    alarms = [f"arn:aws:cloudwatch:us-east-1:1:alarm:a-{name}" for name in ("x", "y", "z", "gone")]
    states = {"a-x": "OK", "a-y": "ALARM", "a-z": "INSUFFICIENT_DATA"}
    picture = drawn(widget("alarm", alarms=alarms), source=Given(states=states))
    card = picture.figure.axes[1]
    signs = dict(zip(texts(picture)[5::2], texts(picture)[4::2], strict=True))
    assert signs == {"x": "✓", "y": "!", "z": "?", "gone": "–"}
    colours = {to_hex(patch.get_facecolor()).upper() for patch in card.patches}
    assert {"#009E73", "#D55E00", "#7F8C8D"} <= colours


# -- metrics -----------------------------------------------------------------------------


def test_lines_are_drawn_with_their_values_and_named_below() -> None:
    picture = drawn(widget(metrics=ONE_LINE), source=Given([1.0, 4.0, 2.0]))
    (line,) = graphs(picture)[0].lines
    assert list(np.asarray(line.get_ydata())) == [1, 4, 2]
    assert "made" in texts(picture)


def test_a_threshold_is_a_dashed_line_that_the_axis_reaches() -> None:
    annotations = {"horizontal": [{"value": 80, "label": "alarm: CPU"}]}
    shown = widget(metrics=ONE_LINE, annotations=annotations)
    picture = drawn(shown, source=Given([1.0, 2.0]))
    (axes,) = graphs(picture)
    assert list(np.asarray(axes.lines[1].get_ydata())) == [80, 80]
    assert axes.lines[1].is_dashed()
    assert axes.get_ylim()[1] > 80
    assert "alarm: CPU" in texts(picture)


@pytest.mark.parametrize("values", [[], [float("nan")]])
def test_a_metric_without_data_is_told(values: list[float]) -> None:
    assert "no data" in texts(drawn(widget(metrics=ONE_LINE), source=Given(values)))


def test_what_could_not_be_worked_out_is_told() -> None:
    rows = [[{"expression": "ANOMALY_DETECTION_BAND(a, 2)", "label": "band"}]]
    picture = drawn(widget(metrics=rows), source=Samples(HOURS))
    assert picture.remarks == ["T: band: not worked out: ANOMALY_DETECTION_BAND(a, 2)"]


# -- samples -----------------------------------------------------------------------------


def test_the_same_dashboard_gives_the_same_picture(tmp_path: Path) -> None:
    rows = [["AWS/ApiGateway", "Latency", "ApiName", "payments", {"stat": "p99"}]]
    for name in ("one", "two"):
        drawn(widget(metrics=rows), source=Samples(HOURS)).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a / b", None),
        ("IF(b >= 1 AND FILL(a, 0) == 0, 1, 7)", 7),
    ],
)
def test_metric_math_is_worked_out(expression: str, value: float | None) -> None:
    rows = [
        [{"expression": expression, "id": "e"}],
        ["AWS/ApiGateway", "Count", {"id": "a", "visible": False, "stat": "Sum"}],
        ["AWS/Lambda", "Throttles", {"id": "b", "visible": False, "stat": "Sum", "period": 60}],
    ]
    (line,) = Samples(HOURS).series(metrics(widget(metrics=rows)))
    assert line.note == ""
    if value is None:
        assert not line.has_data
    else:
        assert set(line.values) == {value}


def test_labels_are_filled_in_as_cloudwatch_does() -> None:
    rows = [["AWS/Lambda", "Throttles", {"label": "refused (max: ${MAX})"}]]
    (line,) = Samples(HOURS).series(metrics(widget(metrics=rows)))
    assert line.label == "refused (max: 0)"


def test_a_higher_percentile_is_never_below_a_lower_one() -> None:
    rows = [["AWS/Lambda", "Duration", {"stat": stat}] for stat in ("p50", "p90", "p99")]
    lines = [line.values for line in Samples(HOURS).series(metrics(widget(metrics=rows)))]
    for lower, higher in pairwise(lines):
        assert (lower <= higher).all()


@pytest.mark.parametrize(
    ("start", "hours"), [("-PT8H", 8), ("-P1D", 24), ("-PT90M", 1.5), (None, 3)]
)
def test_a_picture_looks_back_as_far_as_the_dashboard(start: str | None, hours: float) -> None:
    assert span({"start": start} if start else {}) == timedelta(hours=hours)
