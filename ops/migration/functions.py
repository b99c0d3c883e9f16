"""The functions: their secrets, their runtimes, and those that production has no like of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any

from ops.inspection.subjects import Subjects
from ops.migration import secrets
from ops.migration.todo import Group, Importance, Todo, unanswered
from ops.production.questions import Clients

Configurations = Mapping[str, Mapping[str, Any]]
"""GetFunctionConfiguration, by the functions' names."""


def configurations(clients: Clients, subjects: Subjects) -> Configurations:
    return {
        name: clients("lambda").get_function_configuration(FunctionName=name)
        for name in subjects.all_functions
    }


def open_variables(found: Configurations) -> dict[str, dict[str, str]]:
    """The variables of each function without those that hold secrets."""
    kept = {}
    for name, each in found.items():
        variables = each.get("Environment", {}).get("Variables", {})
        hidden = {*secrets.of_variables(variables)}
        kept[name] = {key: value for key, value in variables.items() if key not in hidden}
    return kept


def todos(found: Configurations, subjects: Subjects) -> Iterator[Todo]:
    for name, each in found.items():
        environment = each.get("Environment", {})
        if "Error" in environment:
            yield unanswered(f"environment variables of {name}", "R17")
        hidden = [*secrets.of_variables(environment.get("Variables", {}))]
        if hidden:
            yield _of_secrets(name, hidden)
        runtime = each.get("Runtime", "")
        since = ended(runtime)
        if name in subjects.others:
            unsupported = f", which AWS no longer supports since {since}" if since else ""
            yield Todo(
                group=Group.DECIDE,
                importance=Importance.HIGH,
                requirement="R5",
                what=f"function {name}, of which production has no like",
                found=f"{runtime or 'a container image'}{unsupported}",
                mend="what it does goes on in production only if it is built there "
                "(docs/changing.md, A function); else it ends with the old environment",
            )
        elif since:
            yield Todo(
                group=Group.SOLVED,
                importance=Importance.HIGH,
                requirement="R1",
                what=f"runtime of {name}, which AWS no longer supports",
                found=f"{runtime}, since {since}",
                mend="production's function is its own code, on Python 3.14",
            )


def _of_secrets(function: str, hidden: list[str]) -> Todo:
    return Todo(
        group=Group.REMAINS,
        importance=Importance.CRITICAL,
        requirement="R17",
        what=f"secrets in plain environment variables of {function}",
        found=", ".join(hidden),
        needed="none: whoever may describe the function reads them",
        mend="issue each anew where it comes from, as it counts as known, and keep the new one in "
        "Secrets Manager. Carry none over: production's functions sign in with IAM",
        command="\n".join(
            f"aws secretsmanager create-secret --name {function}/{each} --secret-string file://NEW"
            for each in hidden
        ),
    )


@cache
def _lifecycles() -> dict[str, dict[str, Any]]:
    file = resources.files("cfnlint.data.AdditionalSpecs") / "LmbdRuntimeLifecycle.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def ended(runtime: str) -> date | None:
    """The day from which AWS gave no security patches any more, by cfn-lint's list of AWS's dates;
    None if it still does."""
    told = _lifecycles().get(runtime, {}).get("deprecated")
    day = date.fromisoformat(told) if told else None
    return day if day and day <= datetime.now(UTC).date() else None
