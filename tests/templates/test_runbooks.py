"""Whoever is woken by an alert finds what to do, and commands that exist (R14, R19)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import OperationModel, ServiceModel
from typer.core import TyperGroup
from typer.main import get_command

from assurance.alerting.critical_metrics import CRITICAL_METRICS
from assurance.alerting.document import INDEX, PAGE, written
from assurance.alerting.scenarios.verdict import Row
from building_blocks.alert import Alert
from config import ProductionConfig
from nested.observability.budget import OVER_BUDGET
from nested.observability.queries import QUERIES
from ops import cli
from tests.synthesis import ROOT, Synthesized

DOCS = ROOT / "docs"
RUNBOOKS = DOCS / "runbooks"
# Those that are not about alerts; a section that an alert links to may stand in them.
GENERAL = {
    "README.md",
    "audit-trail.md",
    "deploy.md",
    "incidents.md",
    "restore.md",
    "rollback.md",
    "table-lost.md",
    "teardown.md",
}
PARTS = ("What just fired.", "What users see.", "Check first.", "Mend.", "Escalate.")

_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_ALERTING = {
    "AWS::CloudWatch::Alarm": "AlarmDescription",
    "AWS::CloudWatch::CompositeAlarm": "AlarmDescription",
    "AWS::Events::Rule": "Description",
}


def prose(page: Path) -> str:
    """A page without its code."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def sections() -> dict[tuple[str, str], str]:
    """Of all alerts, by file and heading."""
    found = {}
    for page in sorted(RUNBOOKS.glob("*.md")):
        for section in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]:
            heading, _, body = section.partition("\n")
            if page.name not in GENERAL or PARTS[0] in body:
                found[page.name, heading] = body
    return found


def linked(synthesized: Synthesized) -> set[tuple[str, str]]:
    """File and section, as the alarms and rules of the templates tell them."""
    # AWS Budgets mails in words of its own.
    links = {(f"{OVER_BUDGET.family}.md", OVER_BUDGET.name)}
    for kind, key in _ALERTING.items():
        for description in (known.get(key, "") for known in synthesized.properties(kind)):
            if told := re.search(r"Runbook: docs/runbooks/(\S+)#(\S+)$", description, re.MULTILINE):
                links.add((told[1], told[2]))
            else:
                # The sweep's schedule tells nobody anything.
                assert kind == "AWS::Events::Rule", description
    return links


def test_every_alert_leads_to_a_section_and_every_section_has_an_alert(
    synthesized: Synthesized,
) -> None:
    assert len(linked(synthesized)) > 30
    assert linked(synthesized) == set(sections())


@pytest.mark.parametrize("where", sections(), ids="#".join)
def test_a_section_tells_what_is_needed_at_night(where: tuple[str, str]) -> None:
    body = sections()[where]
    assert re.findall(r"^\*\*(.+?)\*\*", body, re.MULTILINE) == list(PARTS)
    told = dict(zip(PARTS, re.split(r"^\*\*.+?\*\*", body, flags=re.MULTILINE)[1:], strict=True))
    for part, text in told.items():
        assert len(text.split()) > 2, f"{part} is empty"
    checks = told["Check first."]
    assert re.findall(r"^(\d)\. ", checks, re.MULTILINE) == ["1", "2", "3"]
    commands = [code for language, code in _FENCED.findall(checks) if language == "sh"]
    assert len(commands) >= 3
    assert all(re.search(r"\b(aws|curl|python) ", code) for code in commands)
    roles = r"payments lead|security officer|AWS Support|as (?:its|that|the|for) "
    assert re.search(roles, " ".join(told["Escalate."].split()), re.IGNORECASE)


def scripts() -> Iterator[tuple[str, str]]:
    """Page and text of all that is to be pasted into a shell, in line or in a block."""
    for page in sorted(RUNBOOKS.glob("*.md")):
        for language, code in _FENCED.findall(page.read_text()):
            if language == "sh":
                yield page.name, code
        for code in re.findall(r"`(aws [^`]+)`", prose(page)):
            yield page.name, code


def simple_commands(script: str) -> Iterator[list[str]]:
    """The words of each command in a script, those in substitutions too."""
    script = re.sub(r"<<'END'.*?^ *END$", "", script, flags=re.MULTILINE | re.DOTALL)
    script = re.sub(r"\$\(\(.*?\)\)", "1", script.replace("\\\n", " "))
    # The innermost first: it holds no other.
    while inner := re.search(r"\$\(([^()]*(?:'[^']*'[^()]*)*)\)", script):
        yield from simple_commands(inner[1])
        script = f"{script[: inner.start()]}SUBSTITUTED{script[inner.end() :]}"
    for line in script.splitlines():
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word in ("|", "&&", ";") or word.endswith(";"):
                yield [*words, word.rstrip(";|&")]
                words = []
            else:
                words.append(word)


def aws_commands() -> Iterator[tuple[str, list[str]]]:
    for page, script in scripts():
        for words in simple_commands(script):
            if "aws" in words:
                yield page, list(filter(None, words[words.index("aws") + 1 :]))


SERVICES = {"s3api": "s3", "deploy": "codedeploy"}
"""By the CLI's names, where the API's are others."""


@cache
def service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(SERVICES.get(name, name))


def operation(name: str, command: str) -> OperationModel:
    """Of a service, by the CLI's names."""
    known = {xform_name(known, "-"): known for known in service(name).operation_names}
    assert command in known, f"aws {name} has no command {command}"
    return service(name).operation_model(known[command])


def test_the_aws_cli_knows_every_command() -> None:
    # Options of the CLI itself, and one that it calls by another name than the API.
    general = {"query", "output", "max-items", "cli-binary-format"}
    renamed = {"notification-endpoint": "endpoint"}
    seen = 0
    for page, (name, command, *words) in aws_commands():
        if name == "s3" or command == "wait":  # made by the CLI of several calls
            continue
        model = operation(name, command)
        shape = model.input_shape
        members: dict[str, Any] = (
            {xform_name(member, "-"): member for member in shape.members} if shape else {}
        )
        options = (
            word.removeprefix("--").removeprefix("no-") for word in words if word[:2] == "--"
        )
        given = {renamed.get(option, option) for option in options}
        assert given - general <= set(members), (page, command, given)
        needed = {xform_name(member, "-") for member in (shape.required_members if shape else ())}
        assert needed <= given, (page, command, needed - given)
        seen += 1
    assert seen > 100


def test_the_operators_tool_knows_every_command() -> None:
    told = [
        (page.name, line.split())
        for page in (ROOT / "README.md", *RUNBOOKS.glob("*.md"))
        for line in re.findall(
            r"python -m ops ([a-z][^`\n|;)]*)", page.read_text().replace("\\\n", " ")
        )
    ]
    assert len(told) > 20
    for page, words in told:
        command: Any = get_command(cli.app)
        while isinstance(command, TyperGroup):
            assert words, (page, command.name)
            assert words[0] in command.commands, (page, words[0])
            command = command.commands[words.pop(0)]
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= {*known, "--help"}, page


def test_what_is_pasted_gives_the_operators_tool_what_it_cannot_do_without() -> None:
    seen = 0
    for page, script in scripts():
        for words in simple_commands(script):
            if "ops" not in words:
                continue
            words = words[words.index("ops") + 1 :]
            command: Any = get_command(cli.app)
            while isinstance(command, TyperGroup):
                command = command.commands[words.pop(0)]
            needed = [each for each in command.params if each.required and each.opts[0][:1] == "-"]
            assert all(set(each.opts) & set(words) for each in needed), (page, words)
            seen += 1
    assert seen > 30


def test_no_page_leads_to_a_key_that_may_be_disabled() -> None:
    """The stack's output names the first key, which stays when it has leaked."""
    for page in (ROOT / "README.md", *DOCS.rglob("*.md")):
        assert "ApiKeyId" not in page.read_text(encoding="utf-8"), page.name


def names_in(synthesized: Synthesized) -> dict[str, set[str]]:
    """What production has, by the option that names it."""

    def named(kind: str, key: str) -> set[str]:
        return {
            known[key] for known in synthesized.properties(kind) if isinstance(known.get(key), str)
        }

    functions = named("AWS::Lambda::Function", "FunctionName")
    tables = named("AWS::DynamoDB::Table", "TableName")
    return {
        "log-group-name": named("AWS::Logs::LogGroup", "LogGroupName"),
        "alarm-names": named("AWS::CloudWatch::Alarm", "AlarmName"),
        "function-name": functions | {f"{function}:live" for function in functions},
        "table-name": tables,
        "source-table-name": tables,
        "db-instance-identifier": named("AWS::RDS::DBInstance", "DBInstanceIdentifier"),
        "source-identifier": named("AWS::RDS::DBInstance", "DBInstanceIdentifier"),
        "key-id": named("AWS::KMS::Alias", "AliasName") | {"alias/payments/$ALIAS"},
        "stack-name": {"PaymentsProd"},
    }


def test_commands_name_what_production_has(synthesized: Synthesized) -> None:
    known = names_in(synthesized)
    for page, words in aws_commands():
        for option, value in pairwise(words):
            names = known.get(option.removeprefix("--"))
            placeholder = value.startswith(("$", "/aws/lambda/$")) or value.isupper()
            if option.startswith("--") and names and not placeholder:
                assert value in names, (page, option)
    outputs = set(synthesized.root["Outputs"])
    for page, script in scripts():
        assert set(re.findall(r"OutputKey=='(\w+)'", script)) <= outputs, page


def test_runbooks_name_settings_and_queries_that_exist() -> None:
    settings = ProductionConfig.model_fields.keys()
    queries = {f"payments/{saved.name}" for saved in QUERIES}
    for page in [PAGE, *RUNBOOKS.glob("*.md")]:
        text = page.read_text()
        assert set(re.findall(r"`(alarm_\w+)`", text)) <= settings, page.name
        told = re.findall(r"[Ss]aved query\s+`([^`]+)`", text)
        assert set(told) <= queries, page.name


PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.exists(), target
        if anchor:
            assert anchor in anchors(leads_to), target


@pytest.mark.parametrize("page", [PAGE, INDEX], ids=lambda page: page.name)
def test_the_tables_of_alerts_are_in_step_with_the_alerts(
    alerts: tuple[Alert, ...], scenario_rows: Mapping[str, Row], page: Path
) -> None:
    expected = written(alerts, scenario_rows.values())[page]
    assert page.read_text(encoding="utf-8") == expected, "run `make docs`"


def test_every_alert_watches_a_critical_metric(alerts: tuple[Alert, ...]) -> None:
    listed = list(chain.from_iterable(line.alerts for line in CRITICAL_METRICS))
    assert sorted(listed) == sorted({alert.name for alert in alerts})


def test_every_threshold_is_told_with_what_it_watches() -> None:
    told = {name for line in CRITICAL_METRICS for name in line.settings}
    assert told == {
        name for name in ProductionConfig.model_fields if name.startswith(("alarm_", "monthly_"))
    }
