"""`python -m local`: mistakes get one clear line, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from local import aws
from local.postgres import free_port
from tests.environment import PROJECT, STOP_SECONDS, Environment, Stack, serving, wait_for
from tests.probe import Probe, policy


def _local(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that failed."""
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_taken_port_is_named_with_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = _local("serve", "--port", str(port), "--state-dir", str(tmp_path))
    told = _told(done)
    assert f"port {port} is taken by process" in told
    assert "--port" in told


def test_a_state_directory_in_use_is_refused(environment: Environment) -> None:
    done = _local("serve", "--port", str(free_port()), "--state-dir", str(environment.directory))
    assert f"is in use by process {environment.process.pid}" in _told(done)


@pytest.mark.parametrize("command", [[], ["up"], ["serve"]])
def test_help_is_given(command: list[str]) -> None:
    done = _local(*command, "--help")
    assert done.returncode == 0
    assert "Usage: python -m local" in done.stdout


def _at_work(running: Environment) -> list[psutil.Process]:
    """All that runs, with a database and a function there."""
    database = {
        "DBInstanceIdentifier": "left",
        "Engine": "postgres",
        "DBInstanceClass": "db.t3.medium",
        "MasterUsername": "ledger_admin",
        "ManageMasterUserPassword": True,
    }
    resources = {"Database": {"Type": "AWS::RDS::DBInstance", "Properties": database}}
    assert Stack(running).create(resources) == "CREATE_COMPLETE"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    role = running.client("iam").create_role(
        RoleName="probe",
        AssumeRolePolicyDocument=json.dumps(policy(trust)),
    )
    probe = Probe(running, role["Role"]["Arn"])
    probe.variables()
    started: list[psutil.Process] = psutil.Process(running.process.pid).children(recursive=True)
    assert {process.name() for process in started} >= {"postgres"}
    assert any("ministack-lambda" in " ".join(process.cmdline()) for process in started)
    return started


def test_nothing_outlives_a_launcher_that_is_killed_and_it_starts_again(tmp_path: Path) -> None:
    with contextlib.suppress(InterruptedError), serving(tmp_path) as running:
        started = _at_work(running)
        running.process.kill()
        running.process.wait()
        raise InterruptedError  # `serving` would expect it to end by itself
    _, left = psutil.wait_procs(started, timeout=15)
    assert not left
    with serving(tmp_path) as running:
        assert running.client("sts").get_caller_identity()["Account"] == aws.ACCOUNT


def test_ctrl_c_stops_all_before_it_ends_when_what_reads_its_output_is_gone_first(
    tmp_path: Path,
) -> None:
    """As `python -m local up | tee log`, where Ctrl-C is for tee too."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "local", "serve"),
            *("--port", str(port), "--state-dir", str(tmp_path)),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        wait_for(lambda: (tmp_path / "env").exists() or process.poll() is not None)
        started = _at_work(Environment(f"http://127.0.0.1:{port}", tmp_path, process))
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        process.wait(STOP_SECONDS)
        _, left = psutil.wait_procs(started, timeout=0.5)  # they were stopped, and waited for
    finally:
        process.kill()
        process.wait()
    assert not left
    assert errors == ""
    assert not (tmp_path / "env").exists()
