"""The emulator in this process: MiniStack on 127.0.0.1 with what PaymentsProd needs besides.

MiniStack reads its settings from the environment when it is imported and keeps its state in
module variables, so a process runs one emulator, once.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import shutil
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import trustme

from local import (
    aws,
    cloudformation_types,
    emulator_internals,
    execution_role,
    nested_stacks,
    rds,
)
from ops.console.environment import VARIABLE

HOST = "127.0.0.1"
START_SECONDS = 60.0

# What a function may see of the launcher's environment: nothing that belongs to the user.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")


class EmulatorError(Exception):
    """The emulator did not start; the text says why."""


class Emulator:
    """One emulator on `port`, with everything it keeps under `directory`."""

    def __init__(self, directory: Path, port: int, *, keeps: bool = False) -> None:
        """
        Args:
            keeps: of local.nested_stacks.NestedStack.
        """
        self._keeps = keeps
        self.directory = directory.absolute()
        self.port = port
        self.endpoint = f"http://{HOST}:{port}"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._databases: rds.DbInstances | None = None

    @property
    def ca_file(self) -> Path:
        """The authority that signed the database endpoint's certificate."""
        return self.directory / "rds-ca.pem"

    @property
    def log_file(self) -> Path:
        return self.directory / "emulator.log"

    def start(self) -> None:
        """Start, and wait until it answers. This process's environment is replaced for good.

        Raises:
            EmulatorError: it did not start.
            emulator_internals.VersionError: another MiniStack than the pinned one.
        """
        emulator_internals.require_version()
        self._clear()
        self._set_environment()
        _log_to(self.log_file)
        tls = self._make_certificates()
        application = emulator_internals.application()
        client = functools.cache(functools.partial(aws.client, endpoint=self.endpoint))
        self._databases = rds.DbInstances(client, self.directory / "postgres", tls)
        emulator_internals.register(
            {
                **cloudformation_types.types(client),
                "AWS::CloudFormation::Stack": nested_stacks.NestedStack(client, keeps=self._keeps),
                rds.TYPE: self._databases,
            }
        )
        emulator_internals.keep_aliases_of_updated_mappings()
        emulator_internals.delete_custom_resources_that_failed()
        emulator_internals.keep_what_undeleted_resources_need()
        emulator_internals.work_under_execution_roles(execution_role.asked)
        emulator_internals.let_conditions_join_lists()
        emulator_internals.refuse_change_sets_during_operations()
        emulator_internals.flatten_alarms(cloudformation_types.flat_alarm)
        emulator_internals.record_alarm_actions()
        emulator_internals.record_event_deliveries()
        emulator_internals.search_logs_by_patterns()
        emulator_internals.complete_condition_keys()
        emulator_internals.authorize_actions_by_their_names()
        emulator_internals.add_message_move_tasks()
        emulator_internals.let_log_groups_change_their_key()
        emulator_internals.complete_restores_of_tables()
        emulator_internals.tell_master_secrets()
        emulator_internals.read_closed_streams_to_their_end()
        emulator_internals.let_api_keys_be_disabled()
        emulator_internals.keep_stages_that_are_on_usage_plans()
        emulator_internals.hide_from_functions(
            {*self._settings(), VARIABLE},
            {
                "PYTHONPATH": str(Path(__file__).parent / "function_site"),
                "LOCAL_UNKNOWN_NAMES": str(self.directory / "postgres" / rds.UNKNOWN_NAMES),
            },
        )
        self._thread = threading.Thread(
            target=self._serve, args=[application], name="emulator", daemon=True
        )
        self._thread.start()
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop everything that was started; no process is left."""
        if self._databases is not None:
            self._databases.stop()
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=15)
            emulator_internals.end_functions()
        shutil.rmtree(self.directory / "tmp", ignore_errors=True)

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # -- inside --------------------------------------------------------------------------

    def _clear(self) -> None:
        """The emulator starts from nothing, so nothing of a former run may stay."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for former in ("postgres", "tmp"):
            shutil.rmtree(self.directory / former, ignore_errors=True)
        (self.directory / "tmp").mkdir()
        self.log_file.unlink(missing_ok=True)

    def _set_environment(self) -> None:
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        os.environ.clear()
        os.environ.update(passed_on)
        os.environ.update(self._settings())
        os.environ.update(self._shared_settings())
        tempfile.tempdir = None  # read TMPDIR again

    def _settings(self) -> Mapping[str, str]:
        """What the emulator reads; its functions have no business with it."""
        return {
            "MINISTACK_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_ACCOUNT_ID": aws.ACCOUNT,
            "MINISTACK_REGION": aws.REGION,
            "AUTH": "true",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            # It would look for containers of its own on this machine's Docker.
            "DOCKER_HOST": f"unix://{self.directory}/no-docker",
        }

    def _shared_settings(self) -> Mapping[str, str]:
        """What both need. The functions get the credentials of their own roles instead."""
        return {
            "AWS_ACCESS_KEY_ID": aws.ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": aws.SECRET_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "LEDGER_CA_FILE": str(self.ca_file),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",  # as in Lambda, whatever the language here
            "TMPDIR": str(self.directory / "tmp"),
        }

    def _make_certificates(self) -> ssl.SSLContext:
        authority = trustme.CA(organization_name="PaymentsProd embedded environment")
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        authority.issue_cert(rds.HOST, HOST).configure_cert(context)
        return context

    def _serve(self, application: emulator_internals.AsgiApplication) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"{HOST}:{self.port}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = 2
        config.errorlog = logging.getLogger("hypercorn.error")

        async def run() -> None:
            async def stopped() -> None:
                while not self._stop.is_set():
                    await asyncio.sleep(0.1)

            await serve(_as_tls(application), config, shutdown_trigger=stopped)

        try:
            asyncio.run(run())
        except BaseException as error:
            logging.getLogger(__name__).exception("the emulator ended")
            self._failure = error

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive:
                raise EmulatorError(f"the emulator did not start: {self._failure or 'see its log'}")
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=5):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise EmulatorError(f"the emulator did not answer within {START_SECONDS:.0f} s")


def _as_tls(application: emulator_internals.AsgiApplication) -> emulator_internals.AsgiApplication:
    """Let loopback count as secure transport, as behind a proxy that ended TLS: policies that
    deny plain HTTP (the bootstrap bucket has one) mean other networks than this one."""

    async def proxied(scope: MutableMapping[str, Any], receive: object, send: object) -> None:
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], (b"x-forwarded-proto", b"https")]
        await application(scope, receive, send)

    return proxied


def _log_to(path: Path) -> None:
    """All logging of this process goes to a file; the screen belongs to the launcher."""
    logging.basicConfig(
        filename=path,
        encoding="utf-8",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
