"""The rules of CloudWatch and EventBridge, by the examples of AWS's own pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assurance.alerting.simulation import clock, composite, event_pattern
from assurance.alerting.simulation.arrival import READINGS, Reading
from assurance.alerting.simulation.datapoint import (
    Datapoint,
    Metric,
    counted,
    level,
    merged,
    occurred,
)
from assurance.alerting.simulation.definitions import (
    Alarm,
    Composite,
    DefinitionError,
    Definitions,
    alarm,
)
from assurance.alerting.simulation.evaluation import Missing, State, state
from assurance.alerting.simulation.expression import Expression, ExpressionError

# Amazon CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data", the two
# tables of that page: an evaluation range of 5, N = 3; 0 is good, X is breaching, - is missing. The
# columns are missing, ignore, breaching, notBreaching; . is the state as it was.
_TABLES = (
    (3, "0 - X - X", "OK OK OK OK"),
    (3, "0 - - - -", "OK OK OK OK"),
    (3, "- - - - -", "INSUFFICIENT_DATA . ALARM OK"),
    (3, "0 X X - X", "ALARM ALARM ALARM ALARM"),
    (3, "- - X - -", "ALARM . ALARM OK"),
    (2, "0 - X - X", "ALARM ALARM ALARM ALARM"),
    (2, "0 0 X 0 X", "ALARM ALARM ALARM ALARM"),
    (2, "0 - X - -", "OK OK ALARM OK"),
    (2, "- - - - 0", "OK OK ALARM OK"),
    (2, "- - - X -", "ALARM . ALARM OK"),
    # The same page, "Avoiding premature transitions to alarm state": neither goes into ALARM yet.
    (3, "- - - - X", "INSUFFICIENT_DATA . ALARM OK"),
    (3, "- - - X -", "INSUFFICIENT_DATA . ALARM OK"),
    (3, "- - - X 0", "OK OK OK OK"),
    (3, "- - X - 0", "OK OK OK OK"),
)
_TREATMENTS = (Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)


@pytest.mark.parametrize("current", list(State))
@pytest.mark.parametrize(("needed", "retrieved", "states"), _TABLES)
def test_missing_data_makes_the_states_of_aws_tables(
    needed: int, retrieved: str, states: str, current: State
) -> None:
    datapoints = [{"0": False, "X": True, "-": None}[each] for each in retrieved.split()]
    for missing, expected in zip(_TREATMENTS, states.split(), strict=True):
        found = state(datapoints, needed=needed, periods=3, missing=missing, current=current)
        assert found is (current if expected == "." else State(expected)), missing


def test_the_next_look_at_a_silent_metric_finds_the_good_datapoint_gone() -> None:
    """The page on the second row: with missing data as breaching, it then goes to ALARM."""
    found = state([None] * 5, needed=3, periods=3, missing=Missing.BREACHING, current=State.OK)
    assert found is State.ALARM


Values = list[float | None]

# The same user guide, "Using math expressions with CloudWatch metrics": the tables of its sections
# on operators and on IF.
_MATH: tuple[tuple[str, dict[str, Values], Values], ...] = (
    ("m1 < m2", {"m1": [30, 20, 0, 0], "m2": [20, None, 20, None]}, [0, 0, 1, 0]),
    ("m1 >= 30", {"m1": [30, 20, 0, 0]}, [1, 0, 0, 0]),
    (
        "m1 > 15 AND m2 > 15",
        {"m1": [30, 20, 0, 0], "m2": [20, None, 20, None]},
        [1, 0, 0, 0],
    ),
    (
        "IF(m1, m2, m3)",
        {
            "m1": [1, 1, 0, 0, None],
            "m2": [30, None, 0, 0, 30],
            "m3": [0, 0, 20, None, 20],
        },
        [30, 0, 20, None, None],
    ),
    (
        "IF(m1, 5, m3)",
        {"m1": [1, 1, 0, 0, None], "m3": [0, 0, 20, None, 20]},
        [5, 5, 20, None, None],
    ),
    (
        "IF(m1, m2, 5)",
        {"m1": [1, 1, 0, 0, None], "m2": [30, None, 0, 0, 30]},
        [30, 0, 5, 5, None],
    ),
    ("IF(m1 < 400, m1)", {"m1": [399, 400, None]}, [399, None, None]),
    ("IF(m1 < 400, 10, 2)", {"m1": [399, 400, None]}, [10, 2, None]),
    # Missing beside a value counts as nothing, and a division by zero is dropped.
    ("m1 + m2", {"m1": [1, None, 1, None], "m2": [2, 2, None, None]}, [3, 2, 1, None]),
    ("100 * m1 / m2", {"m1": [1, 1, 1, None], "m2": [4, 0, None, 4]}, [25, None, None, 0]),
    ("FILL(m1, 0)", {"m1": [1, None]}, [1, 0]),
    ("FILL(m1, 0) == 0 || m1 > 1", {"m1": [1, 2, None]}, [0, 1, 1]),
    ("SUM([m1, m2])", {"m1": [1, None], "m2": [2, None]}, [3, None]),
    ("MAX([m1, m2]) - MIN([m1, m2]) + AVG([m1, m2])", {"m1": [1], "m2": [3]}, [4]),
    ("-ABS(m1) ^ 2", {"m1": [-3]}, [-9]),
)


@pytest.mark.parametrize(("text", "series", "expected"), _MATH)
def test_metric_math_makes_the_values_of_aws_tables(
    text: str, series: dict[str, Values], expected: Values
) -> None:
    parsed = Expression.parse(text)
    length = len(next(iter(series.values())))
    found = [parsed.at({name: values[i] for name, values in series.items()}) for i in range(length)]
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "RATE(m1)",
        "MAX(m1)",
        "SEARCH('x')",
        "FILL(1, 0)",
        "IF(m1)",
        "m1 +",
        "m1 if m1 else m2",
        "m1 < m2 < m3",
        "m1[0]",
        "'text'",
        "IF(m1, 1, key=2)",
    ],
)
def test_what_is_not_known_in_metric_math_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression.parse(text)


def test_a_name_that_is_no_metric_of_the_alarm_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="m2 is no metric"):
        Expression.parse("m1 + m2").at({"m1": 1})


def test_datapoints_have_the_statistics_of_their_samples() -> None:
    both = merged([counted(8, 2), counted(2)])
    assert both == Datapoint(10, 2, 0, 1)
    statistics = ("SampleCount", "Sum", "Average", "Minimum", "Maximum", "p99", "p99.9")
    assert [both.statistic(name) for name in statistics] == [10, 2, 0.2, 0, 1, 1, 1]
    assert counted(3, 3).statistic("Minimum") == 1
    assert level(4, 2).statistic("Sum") == 8
    assert (occurred(0), merged([])) == (None, None)
    with pytest.raises(ValueError, match="TM99"):
        both.statistic("TM99")


# Alarms in time.

METRIC = Metric("AWS/Lambda", "Errors", frozenset({("FunctionName", "f")}))
PROMPT, LATE, UNEVEN, FAR = READINGS


def made(**properties: object) -> Alarm:
    usual = {
        "AlarmName": "payments-a",
        "Namespace": METRIC.namespace,
        "MetricName": METRIC.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in METRIC.dimensions],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": ["topic"],
        "OKActions": ["topic"],
    }
    return alarm(usual | properties, frozenset({"topic"}))


def math_on(expression: str, namespace: str = "AWS/Lambda", **properties: object) -> Alarm:
    """An alarm on an expression over ``m``."""
    stat = {
        "Metric": {"Namespace": namespace, "MetricName": METRIC.name, "Dimensions": []},
        "Period": 60,
        "Stat": "Sum",
    }
    queries = [
        {"Id": "e", "Expression": expression},
        {"Id": "m", "MetricStat": stat, "ReturnData": False},
    ]
    built = dict(properties, Metrics=queries)
    plain = made(**properties)
    return replace(
        alarm(
            {
                "AlarmName": plain.name,
                "EvaluationPeriods": plain.periods,
                "DatapointsToAlarm": plain.needed,
                "Threshold": plain.threshold,
                "ComparisonOperator": plain.comparison,
                "TreatMissingData": plain.missing,
                **built,
            },
            frozenset(),
        ),
        mails=plain.mails,
    )


def changes(
    of: Alarm, stream: dict[int, Datapoint], reading: Reading = PROMPT, *, is_new: bool = False
) -> list[tuple[int, State]]:
    (read,) = of.reads.values()
    ((found, _),) = clock.run(
        Definitions(alarms=(of,), composites=(), rules=()),
        {read.metric: stream},
        (),
        minutes=120,
        readings=[reading],
        is_new=is_new,
    )
    return [(change.minute, change.state) for change in found]


BAD = level(1)
EACH = dict.fromkeys(range(-30, 120), level(0))


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name)
def test_an_alarm_is_as_late_as_its_metric(reading: Reading) -> None:
    trouble = dict.fromkeys(range(60, 70), BAD)
    (on, _), (off, _) = changes(
        made(EvaluationPeriods=5, DatapointsToAlarm=3), EACH | trouble, reading
    )
    assert 60 + 3 + 1 <= on <= 60 + 3 + 3
    assert 70 + 2 <= off <= 70 + 3 + 3


def test_one_of_one_never_sees_what_comes_when_it_has_looked_away() -> None:
    """A metric that is reported only when something happens: three datapoints are retrieved, and
    it arrives as a fourth one."""
    once = {60: BAD}
    assert changes(made(EvaluationPeriods=1), once, LATE) == []
    assert changes(made(EvaluationPeriods=5, DatapointsToAlarm=1), once, LATE) == [
        (64, State.ALARM),
        (68, State.OK),
    ]


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name)
def test_fill_hides_everything_where_all_datapoints_are_needed(reading: Reading) -> None:
    trouble = dict.fromkeys(range(60, 120), BAD)
    assert changes(math_on("FILL(m, 0)"), trouble, reading) == []
    found = changes(
        math_on("FILL(m, 0)", EvaluationPeriods=6, DatapointsToAlarm=3), trouble, reading
    )
    assert [state for _, state in found] == [State.ALARM]


def test_fill_keeps_an_alarm_on_for_ever_where_the_filler_is_breaching() -> None:
    found = changes(math_on("FILL(m, 1)", EvaluationPeriods=1), EACH, LATE)
    assert found == [(0, State.ALARM)]


@pytest.mark.parametrize(("reading", "recovers"), [(FAR, True), (LATE, False)])
def test_an_alarm_on_dynamodb_recovers_by_one_reading_of_aws_pages_only(
    reading: Reading, recovers: bool
) -> None:
    once = {60: BAD}
    sparse = math_on("m", "AWS/DynamoDB", EvaluationPeriods=5, DatapointsToAlarm=1)
    states = [state for _, state in changes(sparse, once, reading)]
    assert states == [State.ALARM, State.OK][: 1 + recovers]
    filled = math_on("FILL(m, 0)", "AWS/DynamoDB", EvaluationPeriods=5, DatapointsToAlarm=1)
    assert [state for _, state in changes(filled, once, reading)] == [State.ALARM, State.OK]


def test_a_new_alarm_is_told_of_by_its_ok() -> None:
    assert changes(made(), EACH, is_new=True) == [(0, State.OK)]
    assert changes(made(TreatMissingData="breaching"), {}, is_new=True) == [(0, State.ALARM)]
    assert changes(made(TreatMissingData="missing"), {}, is_new=True) == []


def test_a_metric_that_ceases_leaves_an_alarm_without_data() -> None:
    ceases = {minute: value for minute, value in EACH.items() if minute < 60}
    assert changes(made(TreatMissingData="missing"), ceases) == [(65, State.INSUFFICIENT_DATA)]


def test_a_period_of_five_minutes_is_the_sum_of_its_minutes() -> None:
    of_five = made(Period=300, EvaluationPeriods=1, Threshold=3)
    assert [state for _, state in changes(of_five, EACH | dict.fromkeys(range(60, 65), BAD))] == [
        State.ALARM,
        State.OK,
    ]
    assert changes(of_five, EACH | dict.fromkeys(range(60, 63), BAD)) == []


def test_what_looks_back_for_more_than_a_day_is_evaluated_once_an_hour_on_whole_hours() -> None:
    """The user guide's example of a multi-day alarm, "Alarm evaluation", in its minutes: a failure
    at two past is seen three past the next hour, and what comes after it an hour later."""
    hourly = made(Period=3600, EvaluationPeriods=72, DatapointsToAlarm=1)
    assert changes(hourly, {2: BAD}) == [(63, State.ALARM)]
    assert changes(hourly, {59: BAD}, LATE) == [(119, State.ALARM)]
    within_a_day = made(Period=3600, EvaluationPeriods=24, DatapointsToAlarm=1)
    assert changes(within_a_day, {2: BAD})[0] == (4, State.ALARM)


def test_an_alarm_that_ignores_missing_data_stays_as_it_is_until_the_next_value() -> None:
    ignoring = made(EvaluationPeriods=5, DatapointsToAlarm=1, TreatMissingData="ignore")
    assert changes(ignoring, {10: BAD, 100: level(0)}, is_new=True) == [
        (12, State.ALARM),
        (102, State.OK),
    ]


@pytest.mark.parametrize(("reading", "first"), [(PROMPT, 60), (LATE, 75)])
def test_an_idle_queue_reports_nothing_for_a_while(reading: Reading, first: int) -> None:
    used = dict.fromkeys(range(60, 120), BAD)
    found = changes(
        made(Namespace="AWS/SQS", EvaluationPeriods=5, DatapointsToAlarm=1), used, reading
    )
    assert reading.late is not None
    assert found == [(first + 1 + reading.late, State.ALARM)]


@pytest.mark.parametrize(
    "properties",
    [
        {"DatapointsToAlarm": 4},
        {"Period": 90},
        {"Period": 86_400, "EvaluationPeriods": 8},
        {"ComparisonOperator": "GreaterThanUpperThreshold"},
    ],
)
def test_an_alarm_that_cloudwatch_would_refuse_is_an_error(properties: dict[str, object]) -> None:
    with pytest.raises(DefinitionError):
        made(**properties)


def test_only_what_is_enabled_and_reaches_somebody_is_mailed() -> None:
    assert made().mails == {State.ALARM, State.OK}
    assert made(ActionsEnabled=False).mails == frozenset()
    assert made(AlarmActions=["another"]).mails == {State.OK}


# Composite alarms: the same user guide, "Composite alarms".

_ON = {"CPU": State.ALARM, "Disk": State.OK, "Net": State.INSUFFICIENT_DATA}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("ALARM(CPU) AND ALARM(Disk)", False),
        ("ALARM(CPU) AND NOT ALARM(Disk)", True),
        ('(ALARM("CPU") OR ALARM("Disk")) AND OK("Net")', False),
        ("INSUFFICIENT_DATA(Net)", True),
        ('ALARM("arn:aws:cloudwatch:us-east-1:111122223333:alarm:CPU")', True),
        ("TRUE AND NOT FALSE", True),
    ],
)
def test_rules_of_composite_alarms(rule: str, expected: bool) -> None:
    assert composite.holds(rule, _ON) is expected


@pytest.mark.parametrize("rule", ["ALARM(Memory)", "ON(CPU)", "ALARM(CPU) XOR OK(Disk)", "CPU"])
def test_a_rule_that_is_none_is_an_error(rule: str) -> None:
    with pytest.raises(ValueError, match=r"rule|alarm"):
        composite.holds(rule, _ON)


def test_a_composite_alarm_tells_once_while_any_of_its_alarms_is_on() -> None:
    one, other = made(AlarmName="payments-one"), made(AlarmName="payments-other")
    both = Composite(
        name="payments-both",
        rule='ALARM("payments-one") OR ALARM("payments-other")',
        mails=frozenset({State.ALARM, State.OK}),
    )
    ((found, _),) = clock.run(
        Definitions(
            alarms=(one, replace(other, periods=6, needed=6)), composites=(both,), rules=()
        ),
        {METRIC: EACH | dict.fromkeys(range(60, 80), BAD)},
        (),
        minutes=120,
        readings=[PROMPT],
    )
    assert [change.state for change in found if change.alarm == both.name] == [
        State.ALARM,
        State.OK,
    ]


# Amazon EventBridge user guide, "Event patterns".


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ({"source": ["aws.rds"]}, True),
        ({"source": ["aws.ec2", "aws.rds"]}, True),
        ({"source": ["aws.ec2"]}, False),
        ({"detail": {"EventCategories": ["failover"]}}, True),
        ({"detail": {"EventCategories": ["failure"]}}, False),
        ({"detail": {"SourceIdentifier": [{"prefix": "pay"}]}}, True),
        ({"detail": {"SourceIdentifier": [{"prefix": "led"}]}}, False),
        ({"detail": {"Message": [{"exists": False}]}}, True),
        ({"detail": {"EventID": [{"exists": True}]}}, True),
        ({"detail": {"EventID": [{"anything-but": ["RDS-EVENT-0013"]}]}}, False),
        ({"detail": {"Message": [{"anything-but": ["x"]}]}}, False),
        ({"absent": {"field": [{"exists": False}]}}, True),
        ({"detail": {"flag": [True]}}, False),
    ],
)
def test_patterns_match_as_eventbridge_does(pattern: dict[str, object], matched: bool) -> None:
    event = {
        "source": "aws.rds",
        "detail": {
            "EventCategories": ["failover", "availability"],
            "SourceIdentifier": "payments-ledger",
            "EventID": "RDS-EVENT-0013",
            "flag": "true",
        },
    }
    assert event_pattern.matches(pattern, event) is matched


def test_what_is_not_known_in_a_pattern_is_an_error() -> None:
    with pytest.raises(ValueError, match="numeric"):
        event_pattern.matches({"n": [{"numeric": [">", 1]}]}, {"n": 2})
