"""The functions: their secrets, their runtimes, and those that production has no like of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ops.inspection.subjects import Subjects
from ops.migration import runtimes, secrets
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
        ended = runtimes.ended(runtime)
        if name in subjects.others:
            since = f", which AWS no longer supports since {ended}" if ended else ""
            yield Todo(
                group=Group.DECIDE,
                importance=Importance.HIGH,
                requirement="R5",
                what=f"function {name}, of which production has no like",
                found=f"{runtime or 'a container image'}{since}",
                mend="what it does goes on in production only if it is built there "
                "(docs/changing.md, A function); else it ends with the old environment",
            )
        elif ended:
            yield Todo(
                group=Group.SOLVED,
                importance=Importance.HIGH,
                requirement="R1",
                what=f"runtime of {name}, which AWS no longer supports",
                found=f"{runtime}, since {ended}",
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
