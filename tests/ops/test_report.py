"""The report for auditors says what the templates say, and names nothing that is not there."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from assurance.compliance.acknowledgements import ACKNOWLEDGEMENTS
from assurance.compliance.templates import Resource
from assurance.permissions.matrix import MATRIX
from ops.console.failure import OpsError
from ops.production import drift as drifts
from ops.production.assembly import Assembly
from ops.production.prices import Prices
from ops.production.stack import Production
from ops.production.subscriptions import State, Subscription
from ops.report import facts as collecting
from ops.report import live
from ops.report import page as page_of
from ops.report.built import LAYERS, Built, kind, layer
from ops.report.command import command
from ops.report.costs import Costs, costs, is_free
from ops.report.facts import Facts, collect
from ops.report.live import Seen, StackState
from ops.report.page import render
from ops.report.picture import Box, Picture, draw
from ops.report.requirements import CONTROLS, REQUIREMENTS, Requirement
from tests.ops.stubbed_aws import Aws, as_clients
from tests.synthesis import ROOT, Synthesized

REQUESTS = 1_000_000
_XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def assembly(synthesized: Synthesized) -> Assembly:
    return Assembly.read(synthesized.folder)


@pytest.fixture(scope="module")
def facts(assembly: Assembly) -> Facts:
    return collect(assembly, REQUESTS)


@pytest.fixture(scope="module")
def html(facts: Facts) -> str:
    return render(facts, None)


@pytest.fixture(scope="module")
def page(html: str) -> Xml.Element:
    """The report as a strict parser reads it: what is not well-formed is an error."""
    return parsed(html)


def parsed(html: str) -> Xml.Element:
    return Xml.fromstring(html)  # noqa: S314 - our own


def words(element: Xml.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def every(page: Xml.Element, tag: str) -> list[Xml.Element]:
    return list(page.iter(f"{_XHTML}{tag}"))


def section(page: Xml.Element, name: str) -> Xml.Element:
    (found,) = [each for each in every(page, "section") if each.get("aria-labelledby") == name]
    return found


def altered(built: Built, logical_id: str, **properties: Any) -> Built:
    """The app, with properties of one resource changed; those that are None are gone."""

    def change(resource: Resource) -> Resource:
        if resource.logical_id != logical_id:
            return resource
        changed = {**copy.deepcopy(dict(resource.properties)), **properties}
        kept = {name: value for name, value in changed.items() if value is not None}
        return dataclasses.replace(resource, properties=kept)

    return dataclasses.replace(built, resources=tuple(map(change, built.resources)))


# -- requirements ------------------------------------------------------------------------


def test_every_requirement_is_there_once_and_in_order(facts: Facts, page: Xml.Element) -> None:
    expected = [f"R{number}" for number in range(1, 20)] + [f"S{number}" for number in range(1, 7)]
    assert [each.requirement.number for each in facts.requirements] == expected
    headings = [each.get("id") for each in every(section(page, "requirements"), "h3")]
    assert headings == expected


def test_nothing_lacks_evidence(facts: Facts) -> None:
    assert facts.problems == ()


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: each.number)
def test_requirement_has_tests_that_exist(requirement: Requirement) -> None:
    source = (ROOT / "tests/templates/test_requirements.py").read_text()
    assert requirement.tests
    assert all(f"def {name}(" in source for name in requirement.tests)
    assert all((ROOT / each).exists() for each in requirement.also)


def test_controls_are_numbers_of_the_standard_and_all_are_used() -> None:
    named = {number for requirement in REQUIREMENTS for number in requirement.controls}
    assert named == set(CONTROLS)
    assert all(re.fullmatch(r"(1[0-2]|[1-9])(\.\d{1,2}){2}", number) for number in named)


def test_every_property_that_is_to_show_something_has_a_value_somewhere(facts: Facts) -> None:
    for evidence in facts.requirements:
        for shown in evidence.requirement.shown:
            resources = facts.built.matching(shown.pattern, shown.kind)
            for name in shown.properties:
                values = [collecting._value(each, name) for each in resources]
                assert any(value is not None for value in values), (shown.pattern, name)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("R4", "MultiAZ yes"),
        ("R4", "BackupRetentionPeriod 30"),
        ("R4", "Parameters.rds.force_ssl 1"),
        ("R5", "MemorySize 512"),
        ("R9", "PointInTimeRecoveryEnabled: yes"),
        ("R10", "Days: 2557, Mode: GOVERNANCE"),
        ("R11", "MessageRetentionPeriod 1209600"),
        ("R13", "Endpoint ops@company.com"),
        ("R15", "RetentionInDays 90"),
    ],
)
def test_values_are_shown_as_they_are_built(page: Xml.Element, number: str, told: str) -> None:
    (article,) = [
        each
        for each in every(section(page, "requirements"), "article")
        if each[0].get("id") == number
    ]
    assert told in words(article)


def test_what_was_changed_is_shown_as_changed(facts: Facts) -> None:
    (database,) = facts.built.of("RDS::DBInstance")
    single = altered(facts.built, database.logical_id, MultiAZ=False)
    (r4,) = [each for each in REQUIREMENTS if each.number == "R4"]
    (values,) = [
        dict(values)
        for resource, values in collecting._evidence(single, r4).resources
        if resource.logical_id == database.logical_id
    ]
    assert values["MultiAZ"] == "no"


def test_what_is_missing_is_a_problem(facts: Facts) -> None:
    without = dataclasses.replace(
        facts.built,
        resources=tuple(each for each in facts.built.resources if kind(each) != "DynamoDB::Table"),
    )
    evidence = [collecting._evidence(without, each) for each in REQUIREMENTS]
    told = list(collecting._problems(without, evidence, costs(without, REQUESTS)))
    assert "R9: no resource DataNestedStack/TransactionsTable in the templates" in told
    group = next(each for each in facts.log_groups if kind(each) == "Logs::LogGroup")
    eternal = altered(facts.built, group.logical_id, RetentionInDays=None)
    told = list(collecting._problems(eternal, facts.requirements, facts.costs))
    assert told == [f"R15: {facts.built.name(group)} is kept for ever"]
    untagged = altered(facts.built, group.logical_id, Tags=[])
    told = list(collecting._problems(untagged, facts.requirements, facts.costs))
    assert told == [f"R16: {group.logical_id} lacks tags in its template"]


# -- costs -------------------------------------------------------------------------------


def test_costs_add_up(facts: Facts, page: Xml.Element) -> None:
    priced = facts.costs
    assert priced.total == pytest.approx(sum(line.usd for line in priced.lines))
    assert priced.total == pytest.approx(sum(priced.by_layer.values()))
    assert set(priced.by_layer) == set(LAYERS)
    (table,) = [
        each for each in every(section(page, "costs"), "table") if each.get("class") == "costs"
    ]
    *lines, last = [words(row[-1]) for row in every(table, "tr")[1:]]
    assert sum(map(float, lines)) == pytest.approx(float(last))
    assert float(last) == priced.total


def test_costs_agree_with_the_page(facts: Facts) -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    (told,) = re.findall(r"About (\d+) USD a month in us-east-1 before the first payment", text)
    assert facts.costs.idle == pytest.approx(float(told), rel=0.03)
    (told,) = re.findall(r"A million API calls, at a payment a second, add\s+about (\d+) USD", text)
    assert facts.costs.by_traffic == pytest.approx(float(told), rel=0.05)


def test_records_that_are_gathered_longer_make_fewer_audit_objects(facts: Facts) -> None:
    (mapping,) = (
        each
        for each in facts.built.of("Lambda::EventSourceMapping")
        if each.properties.get("StartingPosition")
    )
    told = {line.what: line for line in facts.costs.lines}
    # A payment a second changes the table twice, and a new table has four shards.
    assert told["audit objects written"].quantity == REQUESTS / 20
    assert told["audit objects to Glacier, after 90 days"].quantity == REQUESTS / 20
    at_once = costs(
        altered(facts.built, mapping.logical_id, MaximumBatchingWindowInSeconds=0), REQUESTS
    )
    (written,) = (line for line in at_once.lines if line.what == "audit objects written")
    assert written.quantity == REQUESTS


@pytest.mark.parametrize(
    ("what", "usd"),
    [
        ("ledger database", 105.85),
        ("its storage", 23.0),
        ("NAT gateways", 98.55),
        ("their addresses", 10.95),
        ("web firewall", 5.0),
        ("its rules", 4.0),
    ],
)
def test_a_large_part_costs_what_its_resources_and_prices_make(
    facts: Facts, what: str, usd: float
) -> None:
    assert [line.usd for line in facts.costs.lines if line.what == what] == [usd]


def test_without_requests_nothing_is_paid_for_traffic(facts: Facts) -> None:
    idle = costs(facts.built, 0)
    assert (idle.by_traffic, idle.total) == (0, facts.costs.idle)

    def by_volume(priced: Costs) -> float:
        own = [line.usd for line in priced.lines if line.what == "own metrics, of payments"]
        return priced.by_traffic - sum(own)  # paid by the hour

    assert by_volume(costs(facts.built, 2 * REQUESTS)) == pytest.approx(
        2 * by_volume(facts.costs), abs=0.1
    )


def test_every_resource_is_counted_or_of_a_type_that_costs_nothing(facts: Facts) -> None:
    counted = {
        kind(facts.built.by_id[name]) for line in facts.costs.lines for name in line.resources
    }
    paid = {kind(each) for each in facts.built.resources if not is_free(each)}
    assert paid == counted


def test_what_the_table_has_no_price_for_is_told_and_not_guessed(facts: Facts) -> None:
    (database,) = facts.built.of("RDS::DBInstance")
    larger = costs(
        altered(facts.built, database.logical_id, DBInstanceClass="db.r8g.large"), REQUESTS
    )
    assert larger.unpriced == ("rds.db.r8g.large.multi-az",)
    assert larger.idle == pytest.approx(facts.costs.idle - 105.85)
    told = list(collecting._problems(facts.built, facts.requirements, larger))
    assert told == ["costs: the price table has no price rds.db.r8g.large.multi-az"]


def test_every_price_is_used_and_has_a_page_of_aws(facts: Facts, page: Xml.Element) -> None:
    prices = Prices.read()
    used = {line.price_name for line in facts.costs.lines}
    assert used == {name for name in prices.by_name if not name.startswith("restore.")}
    told = [words(link) for link in every(section(page, "costs"), "a")]
    assert len(told) == len(facts.costs.used) == len(used)
    pages = [price.source for price in prices.by_name.values()]
    assert all(
        re.fullmatch(r"https://aws\.amazon\.com/[\w/-]+/pricing/[\w/-]*", each) for each in pages
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", prices.date)


# -- keys, network, alarms, findings, logs, resources ----------------------------------------


def test_whatever_names_a_key_stands_below_it(facts: Facts) -> None:
    under = {
        key.aliases[0]: {facts.built.name(resource) for resource, _ in key.used_by}
        for key in facts.keys
    }
    assert under["alias/payments/ledger-database"] == {"payments-ledger"}
    assert under["alias/payments/audit"] == {"AuditBucket"}
    application = under["alias/payments/application"]
    assert {"payment-transactions", "AlertsTopic", "/aws/lambda/payment-processor"} <= application
    groups = {facts.built.name(group) for group in facts.log_groups}
    assert groups <= application


def test_each_rule_of_a_security_group_is_told(synthesized: Synthesized, facts: Facts) -> None:
    inline = sum(
        len(group.get("SecurityGroupIngress", [])) + len(group.get("SecurityGroupEgress", []))
        for group in synthesized.properties("AWS::EC2::SecurityGroup")
    )
    apart = sum(
        len(synthesized.properties(f"AWS::EC2::SecurityGroup{direction}"))
        for direction in ("Ingress", "Egress")
    )
    of_groups = [rule for rule in facts.rules if rule.group != "default group of the VPC"]
    assert len(of_groups) == inline + apart
    assert len(facts.rules) == len(of_groups) + 1
    (incoming,) = [rule for rule in of_groups if rule.direction == "in"]
    assert (incoming.group, incoming.ports) == ("Database", "5432")
    assert incoming.peer == "LedgerClients"


def test_private_subnets_are_shown_to_go_out_through_nat(facts: Facts) -> None:
    for subnet in facts.built.of("EC2::Subnet"):
        private = "PrivateSubnet" in subnet.path
        assert ("NATGateway" in facts.default_route(subnet)) is private


def test_each_alarm_has_its_severity_and_a_runbook_that_exists(
    synthesized: Synthesized, facts: Facts, page: Xml.Element
) -> None:
    kinds = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    events = [
        each for each in synthesized.properties("AWS::Events::Rule") if "EventPattern" in each
    ]
    assert len(facts.alarms) == sum(len(synthesized.properties(each)) for each in kinds) + len(
        events
    )
    for alarm in facts.alarms:
        assert alarm.words["severity"] in ("critical", "warning")
        file = alarm.words["runbook"].partition("#")[0]
        assert (ROOT / file).exists()
    headings = [words(each) for each in every(section(page, "alarms"), "h3")]
    assert headings == ["Alarms", "Events", "Release alarms, read by CodeDeploy"]
    shown = words(section(page, "alarms"))
    assert all(alarm.name in shown for alarm in facts.alarms)


def test_all_accepted_findings_are_told_with_their_reasons(page: Xml.Element) -> None:
    shown = words(section(page, "findings"))
    for each in ACKNOWLEDGEMENTS:
        assert each.rule in shown
        assert " ".join(each.reason.split()) in shown


def test_the_whole_permission_matrix_is_told(page: Xml.Element) -> None:
    shown = section(page, "permissions")
    told = words(shown)
    assert {row.action for row in MATRIX} <= {words(each) for each in every(shown, "code")}
    assert all(row.who in told for row in MATRIX)
    assert {each.get("class") for each in every(shown, "td")} == {None, "allow", "deny"}


def test_every_log_group_has_its_days(facts: Facts, page: Xml.Element) -> None:
    rows = every(section(page, "logs"), "tr")[1:]
    assert len(rows) == len(facts.log_groups)
    assert {words(row[1]) for row in rows} == {"90"}


def test_every_resource_is_in_the_appendix(facts: Facts, page: Xml.Element) -> None:
    rows = [row for row in every(section(page, "resources"), "tr") if row[0].tag.endswith("td")]
    assert sorted(words(row[2]) for row in rows) == sorted(facts.built.by_id)
    assert {layer(each) for each in facts.built.resources} == set(LAYERS)
    assert {words(row[3]) for row in rows} == {
        "all",
        "cannot be tagged",
        "no AWS resource",
    }


# -- the picture -------------------------------------------------------------------------


def test_the_picture_shows_every_function_and_subnet(facts: Facts, page: Xml.Element) -> None:
    lines = words(section(page, "picture"))
    for function in facts.built.of("Lambda::Function"):
        assert function.properties["FunctionName"] in lines
    for subnet in facts.built.of("EC2::Subnet"):
        assert subnet.properties["CidrBlock"] in lines


def boxes(picture: Picture) -> Iterator[Box]:
    """All of them, the inner ones too."""
    left = [*picture.main, *picture.services]
    while left:
        box = left.pop()
        left += box.inside
        yield box


def test_the_picture_writes_the_whole_path_of_a_method(facts: Facts) -> None:
    (child,) = (
        each
        for each in facts.built.of("ApiGateway::Resource")
        if each.properties["PathPart"] == "process"
    )
    (parent,) = (
        each
        for each in facts.built.of("ApiGateway::Resource")
        if each.properties["PathPart"] == "validate"
    )
    below = altered(facts.built, child.logical_id, ParentId={"Ref": parent.logical_id})
    lines = [line for box in boxes(draw(below)) for line in box.lines]
    assert any("POST /validate/process" in line for line in lines), lines


def test_the_picture_tells_who_calls_whom(facts: Facts) -> None:
    assert {words for _, words in draw(facts.built).flows} >= {
        "the API invokes payment-validator",
        "the API invokes payment-processor",
        "payment-validator uses payment-transactions",
        "payment-processor uses payment-transactions",
        "payment-processor uses Queues / RetryQueue",
        "payment-processor connects to the ledger",
        "audit-logger uses AuditBucket",
        "Queues / RetryQueue feeds payment-processor",
        "payment-transactions feeds audit-logger",
        "what was tried 14 times goes from the retry queue to its dead-letter queue",
    }


def test_the_picture_tells_what_is_reached_without_nat(facts: Facts) -> None:
    titles = {box.lines[0] for box in boxes(draw(facts.built)) if box.lines}
    assert "VPC 10.20.0.0/16, with endpoints for dynamodb and s3" in titles
    kept = tuple(each for each in facts.built.resources if kind(each) != "EC2::VPCEndpoint")
    without = draw(dataclasses.replace(facts.built, resources=kept))
    assert "VPC 10.20.0.0/16" in {box.lines[0] for box in boxes(without) if box.lines}


# -- the file ------------------------------------------------------------------------------


def test_the_file_is_self_contained(html: str, page: Xml.Element) -> None:
    assert len(html.encode()) < 1_500_000
    assert not every(page, "script")
    for element in page.iter():
        for name, value in element.attrib.items():
            if name in ("src", "srcset", "data", "poster", "action", "background", "style"):
                pytest.fail(f"{element.tag} {name}={value}")
            if name == "href" and element.tag != f"{_XHTML}a":
                assert value == "data:,"
    (style,) = every(page, "style")
    assert style.text is not None
    assert not re.search(r"url\(|@import|http", style.text)


def test_links_inside_lead_somewhere_and_no_id_stands_twice(page: Xml.Element) -> None:
    ids = [each.get("id") for each in page.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    inside = [each.get("href", "") for each in every(page, "a") if each.get("href", "")[0] == "#"]
    assert len(inside) > 30
    assert {each[1:] for each in inside} <= set(ids)
    labels = [each.get("aria-labelledby", "").split() for each in page.iter()]
    assert {name for each in labels for name in each} <= set(ids)


def test_headings_go_down_by_one_level(page: Xml.Element) -> None:
    levels = [
        int(each.tag[-1]) for each in page.iter() if re.fullmatch(rf"{_XHTML}h[1-6]", each.tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tables_have_headers_and_as_many_cells_in_each_row(page: Xml.Element) -> None:
    tables = every(page, "table")
    assert len(tables) > 40
    for table in tables:
        head, *rows = every(table, "tr")
        assert all(cell.get("scope") == "col" for cell in head)
        for row in rows:
            assert sum(int(cell.get("colspan", "1")) for cell in row) == len(head)


@pytest.mark.parametrize(
    ("usd", "told"), [(0.4, "0.40"), (5.0, "5.00"), (0.045, "0.045"), (4e-7, "0.0000004")]
)
def test_prices_have_all_of_their_decimals(usd: float, told: str) -> None:
    assert page_of._price(usd) == told


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("PublicSubnet3NATGateway5DD3AF93", ["Public", "Subnet3", "NATGateway5DD3AF93"]),
        ("payments/ledger-database", ["payments/", "ledger-", "database"]),
        ("<b>", ["&lt;b&gt;"]),
    ],
)
def test_long_names_break_where_their_words_meet(name: str, pieces: list[str]) -> None:
    assert str(page_of._breakable(name)).split("<wbr />") == pieces


def test_it_holds_no_account_and_no_secret(html: str) -> None:
    assert not re.search(r"\b\d{12}\b", html)
    assert not re.search(r"AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY|aws_secret", html)


def test_what_comes_from_outside_is_escaped(facts: Facts) -> None:
    hostile = "<script>alert(1)</script>"
    seen = dataclasses.replace(SEEN, outputs={"X": hostile}, unverified=hostile)
    text = render(facts, seen)
    assert hostile not in text
    parsed(text)


# -- with what AWS says --------------------------------------------------------------------


SEEN = Seen(
    account="the account",
    place="us-east-1",
    asked=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    stacks=(
        StackState(name="PaymentsProd", status="UPDATE_COMPLETE", drift="IN_SYNC", checked=""),
    ),
    outputs={},
    names={"A": "payments-a"},
    alarms={"A": "OK"},
    subscriptions=(
        Subscription(endpoint="ops@company.com", protocol="email", state=State.CONFIRMED),
    ),
    checks=(),
    unverified="",
)


MULTI_AZ = {"requirement": "R4", "what": "database: Multi-AZ"}


def test_what_holds_is_no_problem() -> None:
    assert SEEN.problems == ()


def test_whether_there_is_a_stack_is_asked_before_templates_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing() -> None:
        raise OpsError("no stack")

    monkeypatch.setattr(Production, "find", missing)
    with pytest.raises(OpsError, match="no stack"):  # not: is no cloud assembly
        command(assembly=tmp_path, live=True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"stacks": (dataclasses.replace(SEEN.stacks[0], status="UPDATE_FAILED"),)},
            "live: PaymentsProd is UPDATE_FAILED",
        ),
        (
            {"stacks": (dataclasses.replace(SEEN.stacks[0], drift="DRIFTED"),)},
            "live: PaymentsProd is not as deployed any more (drift)",
        ),
        ({"alarms": {"A": "ALARM"}}, "live: the alarm payments-a is ALARM"),
        ({"alarms": {"A": "missing"}}, "live: the alarm payments-a is missing"),
        (
            {"subscriptions": (dataclasses.replace(SEEN.subscriptions[0], state=State.PENDING),)},
            "live: the alerts topic has no confirmed subscription",
        ),
        (
            {"checks": (MULTI_AZ | {"found": "no", "needed": "yes", "verdict": "problem"},)},
            "live, R4 database: Multi-AZ: no, needed yes",
        ),
        (
            {"checks": (MULTI_AZ | {"found": "ask again", "verdict": "not answered"},)},
            "live, R4 database: Multi-AZ: ask again",
        ),
        ({"unverified": "no access"}, "live: verify could not do its work: no access"),
    ],
)
def test_what_does_not_hold_is_a_problem(changes: dict[str, Any], told: str) -> None:
    assert dataclasses.replace(SEEN, **changes).problems == (told,)


@pytest.mark.parametrize("false", [True, False])
def test_drift_that_is_none_is_no_problem(monkeypatch: pytest.MonkeyPatch, *, false: bool) -> None:
    aws = Aws()
    drift = {"StackDriftStatus": "DRIFTED"}
    described = {"StackName": "N", "StackStatus": "UPDATE_COMPLETE", "CreationTime": 0}
    aws.answers(
        "cloudformation",
        "describe_stacks",
        {"Stacks": [{**described, "DriftInformation": drift}]},
    )
    monkeypatch.setattr(drifts, "is_none", lambda *_: false)
    state = live._stack(as_clients(aws), "N", "arn:n", [])
    assert (dataclasses.replace(SEEN, stacks=(state,)).problems == ()) is false


def test_problems_stand_in_the_summary(facts: Facts) -> None:
    seen = dataclasses.replace(SEEN, alarms={"A": "ALARM"}, subscriptions=())
    shown = words(section(parsed(render(facts, seen)), "summary"))
    assert "2 things do not hold" in shown
    assert all(problem in shown for problem in seen.problems)


def test_what_could_not_be_seen_is_told_and_is_no_problem(facts: Facts) -> None:
    check = {"requirement": "R4", "what": "database: class", "found": "", "verdict": "held"}
    seen = dataclasses.replace(SEEN, checks=(check, {**check, "verdict": "not seen"}))
    assert seen.problems == ()
    shown = words(section(parsed(render(facts, seen)), "summary"))
    assert "but for 1 of 2 values that could not be seen there" in shown


def test_numbers_of_templates_are_those_of_the_files(
    synthesized: Synthesized, facts: Facts
) -> None:
    assert set(facts.built.digests) == {file.name for file in synthesized.files()}
    counted = sum(len(json.loads(file.read_text())["Resources"]) for file in synthesized.files())
    assert facts.counts["resources"] == counted
