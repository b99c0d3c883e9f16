"""Updates that fail: what was there before is there again, and payments notice nothing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from local.deployment import PROJECT, STACK
from local.drills.payments import Traffic
from local.drills.releases import GOOD, Release
from local.drills.report import Step, drill
from local.drills.site import Site
from local.drills.states import children, events, failures, stack_id, states

ROLLED_BACK = "UPDATE_ROLLBACK_COMPLETE"

_MIGRATIONS = "lambda_code/ledger_schema/migrations"
_NEXT = len(list((PROJECT / _MIGRATIONS).glob("*.sql"))) + 1

# Both releases have the first: it stays applied when the release that brought it is rolled back.
_ADDS = {f"{_MIGRATIONS}/{_NEXT:04}_drill.sql": "CREATE TABLE ledger.drill (id integer);\n"}
_FAILS_NAME = f"{_NEXT + 1:04}_drill_fails.sql"
_FAILS = {
    f"{_MIGRATIONS}/{_FAILS_NAME}": "CREATE TABLE ledger.half_way (id integer);\n"
    "ALTER TABLE ledger.no_such_table ADD COLUMN id integer;\n"
}

FAILS_LAST = Release(
    name="update-fails-last",
    fault="Update",
    context={"approval_validity_seconds": "300", "validator_concurrency": "50"},
    additions={**_ADDS, "lambda_code/payment_validator/handler.py": "\n# Another release.\n"},
)
"""Code, environment, concurrency, schema, the API's deployment and alarms change; then it fails."""

MIGRATES = Release(name="migrates", additions=_ADDS)
"""An update with a migration, which succeeds."""

FAILS_TO_MIGRATE = Release(name="migration-fails", additions={**_ADDS, **_FAILS})


@drill(
    "update-fails-last",
    "An update fails in Observability, after functions, schema, API and settings changed",
    GOOD,
    FAILS_LAST,
)
def fails_last(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    before = observe(site)
    traffic = Traffic(site)
    traffic.start()
    try:
        yield _roll_back(site, FAILS_LAST, "DrillFailure")
    finally:
        traffic.stop()
    after = observe(site)
    yield compare(before, after)
    yield _compare_the_stage(site, before, after)
    applied = schema(site)
    held = f"{_NEXT:04}_drill.sql" in applied
    expected = "the new migration stays: the release before runs on it"
    yield Step("look at the schema", expected, held, ", ".join(applied))
    yield from traffic.judge()


@drill("migration-fails", "A migration fails", GOOD, FAILS_TO_MIGRATE)
def fails_to_migrate(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    before = observe(site)
    yield _roll_back(site, FAILS_TO_MIGRATE, _FAILS_NAME)
    yield compare(before, observe(site))
    applied = schema(site)
    held = _FAILS_NAME not in applied and not _exists(site, "half_way")
    yield Step("look at the schema", f"nothing of {_FAILS_NAME}", held, ", ".join(applied))


def _roll_back(site: Site, release: Release, reason: str) -> Step:
    """An update that must fail, for a reason that names `reason`."""
    begin = datetime.now(UTC)
    done = site.deploy(release)
    root = stack_id(site)
    reported, reasons = states(site, root), failures(site, begin)
    told = next((text for text in reasons if reason in text), "")
    return Step(
        "cdk deploy",
        f"fails, and says why; {STACK} {ROLLED_BACK}",
        not done.succeeded
        and reported[STACK] == ROLLED_BACK
        and all(state.endswith("_COMPLETE") for state in reported.values())
        and bool(told),
        told or f"no event names {reason}: {reasons or done.told}",
        reported,
    )


Observed = dict[str, Any]
DEPLOYMENT = "API deployment"
"""Of what is observed: the id of the API's deployment that the stage serves."""


def observe(site: Site) -> Observed:
    """What serves payments and watches over them: functions, what their aliases point to, the
    API's stages and alarms."""
    functions, api = site.client("lambda"), site.client("apigateway")
    observed: Observed = {}
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            name = function["FunctionName"]
            observed[f"{name}: code"] = function["CodeSha256"]
            observed[f"{name}: environment"] = function.get("Environment", {}).get("Variables")
            observed[f"{name}: concurrency"] = functions.get_function_concurrency(
                FunctionName=name
            ).get("ReservedConcurrentExecutions")
            for alias in functions.list_aliases(FunctionName=name)["Aliases"]:
                live = functions.get_function_configuration(
                    FunctionName=name, Qualifier=alias["Name"]
                )
                observed[f"{name}:{alias['Name']}"] = [
                    alias["FunctionVersion"],
                    live["CodeSha256"],
                    live.get("Environment", {}).get("Variables"),
                ]
    for rest_api in api.get_rest_apis()["items"]:
        for stage in api.get_stages(restApiId=rest_api["id"])["item"]:
            observed[DEPLOYMENT] = stage["deploymentId"]
            observed[f"stage {stage['stageName']}"] = [
                stage.get("methodSettings"),
                api.get_resources(restApiId=rest_api["id"], embed=["methods"])["items"],
            ]
    for page in site.client("cloudwatch").get_paginator("describe_alarms").paginate():
        for alarm in page["MetricAlarms"]:
            observed[f"alarm {alarm['AlarmName']}"] = {
                name: value
                for name, value in alarm.items()
                if not name.startswith("State") and not name.endswith("Timestamp")
            }
    return observed


def compare(before: Observed, after: Observed) -> Step:
    different = [
        f"{name}: {json.dumps(before.get(name), default=str)[:200]} -> "
        f"{json.dumps(after.get(name), default=str)[:200]}"
        for name in sorted(before | after)
        if before.get(name) != after.get(name) and name != DEPLOYMENT
    ]
    return Step(
        "look at code, environment, aliases, stage, alarms",
        "the old ones",
        bool(before) and not different,
        "; ".join(different) or f"{len(before)} settings are as before",
    )


def _compare_the_stage(site: Site, before: Observed, after: Observed) -> Step:
    """AWS deletes what a nested stack replaced when the root has succeeded; the emulator, when the
    nested stack has, as its events show. Then the rollback has to make the deployment again."""
    root = stack_id(site)
    rollbacks = [
        event["Timestamp"]
        for event in events(site, root)
        if event["ResourceStatus"] == "UPDATE_ROLLBACK_IN_PROGRESS"
    ]
    too_soon = [
        event
        for event in events(site, children(site, root)["Compute"])
        if event["ResourceStatus"] == "UPDATE_COMPLETE"
        and event["ResourceType"] == "AWS::CloudFormation::Stack"
        and event["Timestamp"] <= rollbacks[-1]
    ]
    same = before[DEPLOYMENT] == after[DEPLOYMENT]
    return Step(
        "look at the API's stage",
        "it serves the old deployment",
        same,
        f"{before[DEPLOYMENT]}, now {after[DEPLOYMENT]}",
        limit="a nested stack deletes what it replaced at its own end, not at the root's; so the "
        f"old deployment is made again, of the old methods: {before[DEPLOYMENT]} is now "
        f"{after[DEPLOYMENT]}"
        if too_soon and not same
        else "",
    )


def schema(site: Site) -> list[str]:
    """The names of the migrations that are applied."""
    return [row[0] for row in _query(site, "SELECT name FROM ledger.schema_migrations ORDER BY 1")]


def _exists(site: Site, table: str) -> bool:
    return bool(_query(site, f"SELECT to_regclass('ledger.{table}')::text")[0][0])


def _query(site: Site, sql: str) -> list[list[Any]]:
    with contextlib.closing(site.find().ledger()) as connection:
        rows: list[list[Any]] = connection.run(sql)
    return rows
