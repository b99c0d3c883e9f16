"""The workflows call what there is, with the roles that there are; what is wrong in them by itself,
`make check` has linters for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml

from assurance.permissions.deployment import ACCOUNT_TEMPLATE
from ops.cli import app
from tests.environment import PROJECT

WORKFLOWS = {
    file.name: yaml.safe_load(file.read_text(encoding="utf-8"))
    for file in (PROJECT / ".github" / "workflows").iterdir()
}
AWS = "aws-actions/configure-aws-credentials@"
ACCOUNT: dict[str, Any] = yaml.safe_load(ACCOUNT_TEMPLATE.read_text(encoding="utf-8"))


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file, workflow in WORKFLOWS.items():
        for name, job in workflow["jobs"].items():
            yield file, name, job


def runs(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_every_command_of_the_workflows_exists_and_asks_nobody() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    called = "\n".join(runs(job) for _, _, job in jobs())
    targets = re.findall(r"\bmake (?:--silent )?(\w+)", called)
    assert {"check", "unit", "test", "acceptance", "plan", "deploy", "verify", "smoke"} - {
        *targets,
        *re.findall(r"-m ops ([\w-]+)", called),
    } == set()
    assert [each for each in targets if not re.search(rf"^{each}: .*##", makefile, re.M)] == []
    assert [each for each in re.findall(r"-m ops ([\w-]+)", called) if each not in commands] == []
    deployments = re.findall(r"make deploy.*", called)
    assert deployments
    assert [each for each in deployments if "--yes" not in each] == []
    options = {option for command in commands.values() for p in command.params for option in p.opts}
    assert set(re.findall(r"(?<=[ \"])(--(?:yes|plan|save|assembly)\b)", called)) <= options


def test_production_gets_the_approved_plan_and_nothing_else() -> None:
    production = WORKFLOWS["main.yml"]["jobs"]["production"]
    assert production["environment"] == "production"
    assert production["needs"] == "plan"
    (deployment,) = re.findall("make deploy.*", runs(production))
    assert "--assembly cdk.out --plan plan.json" in deployment
    assert "synth" not in runs(production)


@pytest.mark.parametrize(("file", "name", "job"), jobs(), ids=lambda each: str(each)[:16])
def test_a_job_has_credentials_only_where_its_role_lets_it_in(
    file: str, name: str, job: dict[str, Any]
) -> None:
    asked = [step for step in job["steps"] if step.get("uses", "").startswith(AWS)]
    assert bool(asked) == (job["permissions"].get("id-token") == "write")
    for step in asked:
        account, role = re.findall(
            r"vars\.(\w+)_ACCOUNT \}\}:role/(\S+)", step["with"]["role-to-assume"]
        )[0]
        made = [each["Properties"].get("RoleName") for each in ACCOUNT["Resources"].values()]
        assert role in made
        stack = ACCOUNT["Mappings"]["Stacks"][
            {"STAGING": "PaymentsStaging", "PRODUCTION": "PaymentsProd"}[account]
        ]
        if role.endswith("deploy"):
            assert job["environment"] == stack["Environment"]
            assert f"workflows/{file}@refs/heads/main" in ACCOUNT_TEMPLATE.read_text("utf-8")
        else:
            assert "environment" not in job  # which would be the token's subject
            trigger = "pull_request" if file == "pull-request.yml" else "ref:refs/heads/main"
            assert stack["Planning"] == trigger
        if file == "pull-request.yml":
            assert "head.repo.full_name == github.repository" in job["if"]
        environment = job.get("env", {}).get("PAYMENTS_ENVIRONMENT", "production")
        assert environment == account.lower()


def test_what_may_write_to_the_repository_runs_none_of_its_code() -> None:
    for _, _, job in jobs():
        if {key for key, value in job["permissions"].items() if value == "write"} - {"id-token"}:
            assert not [each for each in job["steps"] if "checkout" in each.get("uses", "")]
            assert "make " not in runs(job)


def test_a_commit_passes_the_same_checks_without_a_network() -> None:
    file = PROJECT / ".pre-commit-config.yaml"
    repositories = yaml.safe_load(file.read_text(encoding="utf-8"))["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    assert [(h["entry"], h["language"]) for h in repositories[0]["hooks"]] == [
        ("make check", "system")
    ]
