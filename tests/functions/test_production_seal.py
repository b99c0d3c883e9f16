"""The production seal: database and table are protected together, and unprotected together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import production_seal.handler
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber
from production_seal.protection import Database, Table
from production_seal.seal import PAUSE, SealError, seal, unseal

from tests.functions.cloudformation import Send, sender
from tests.functions.conftest import Stubbed


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    # The module's own `time` only: what runs the test needs the real one.
    fake = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep)
    monkeypatch.setattr("production_seal.seal.time", fake)
    return clock


class Resource:
    """A resource that shows a change after so many looks."""

    def __init__(
        self, name: str, *, protected: bool | None = False, looks: int = 1, busy: int = 0
    ) -> None:
        """
        :param protected: None if it does not exist.
        :param looks: after how many it shows what it was asked for.
        :param busy: how many requests it puts off before it takes one.
        """
        self.name = name
        self.protected = protected
        self.requests: list[bool] = []
        self._looks = looks
        self._busy = busy

    def is_protected(self) -> bool | None:
        if self.requests:
            self._looks -= 1
            if self._looks <= 0:
                self.protected = self.requests[-1]
        return self.protected

    def protect(self, wanted: bool) -> bool:
        if self._busy:
            self._busy -= 1
            return False
        self.requests.append(wanted)
        return True


class Refusing(Resource):
    def protect(self, wanted: bool) -> bool:
        raise refusal("AccessDeniedException")


class Stumbling(Resource):
    """Its service fails so many times before it answers."""

    def __init__(self, name: str, error: Exception, times: int) -> None:
        super().__init__(name)
        self._failures = [error] * times

    def is_protected(self) -> bool | None:
        if self._failures:
            raise self._failures.pop()
        return super().is_protected()


class Vanishing(Resource):
    """Deleted by somebody else between the look and the request."""

    def protect(self, wanted: bool) -> bool:
        self.protected = None
        return False


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "refused"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Operation")


BUSY = (
    refusal("ThrottlingException"),
    refusal("Throttling"),
    refusal("InternalFailure", 500),
    refusal("ServiceUnavailable", 503),
    ReadTimeoutError(endpoint_url="https://rds"),
    EndpointConnectionError(endpoint_url="https://rds"),
)


# Sealing and unsealing


def test_a_seal_protects_both_and_waits_until_they_show_it(clock: Clock) -> None:
    database, table = Resource("database", looks=3), Resource("table", looks=1)
    seal([database, table], 100)
    assert (database.protected, table.protected) == (True, True)
    assert (database.requests, table.requests) == ([True], [True])
    assert clock.now == 3 * PAUSE


def test_sealing_again_asks_for_nothing() -> None:
    resources = [Resource("database", protected=True), Resource("table", protected=True)]
    seal(resources, 100)
    assert [resource.requests for resource in resources] == [[], []]


def test_what_a_half_done_seal_left_is_completed() -> None:
    database, table = Resource("database", protected=True), Resource("table")
    seal([database, table], 100)
    assert (database.requests, table.requests) == ([], [True])


def test_unsealing_takes_both_protections_away() -> None:
    resources = [Resource("database", protected=True), Resource("table", protected=True)]
    unseal(resources, 100)
    assert [resource.protected for resource in resources] == [False, False]


def test_what_is_gone_needs_no_unsealing() -> None:
    table = Resource("table", protected=True)
    unseal([Resource("database", protected=None), table], 100)
    assert table.protected is False
    unseal([Vanishing("database", protected=True)], 100)


def test_what_does_not_exist_cannot_be_sealed() -> None:
    with pytest.raises(SealError, match=r"table is NOT protected \(does not exist\)"):
        seal([Resource("database"), Resource("table", protected=None)], 100)


def test_one_that_is_busy_is_asked_again() -> None:
    database = Resource("database", busy=5)
    seal([database, Resource("table")], 100)
    assert database.requests == [True]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_failure_of_one_does_not_keep_the_other_from_it_and_is_told_of_both(wanted: bool) -> None:
    word = "protected" if wanted else "unprotected"
    table = Resource("table", protected=not wanted)
    with pytest.raises(SealError) as error:
        (seal if wanted else unseal)([Refusing("database", protected=not wanted), table], 100)
    assert table.protected is wanted
    told = str(error.value)
    assert told.startswith(f"database is NOT {word} (An error occurred (AccessDeniedException)")
    assert f"; table is {word}. Mend the cause" in told


@pytest.mark.parametrize("error", BUSY, ids=str)
def test_what_may_pass_does_not_undo_a_deployment(error: Exception) -> None:
    database = Stumbling("database", error, 3)
    seal([database, Resource("table")], 100)
    assert database.protected


@pytest.mark.parametrize("error", BUSY, ids=str)
def test_what_does_not_pass_is_told(error: Exception) -> None:
    with pytest.raises(SealError) as told:
        seal([Stumbling("database", error, 1_000), Resource("table")], 60)
    assert f"database is NOT protected (did not show it within 60 s: {error})" in str(told.value)


def test_what_passed_is_not_told_as_the_reason() -> None:
    database = Stumbling("database", BUSY[0], 1)
    database._looks = 1_000
    with pytest.raises(
        SealError, match=r"database is NOT protected \(did not show it within 60 s\)"
    ):
        seal([database, Resource("table")], 60)


def test_waiting_is_bounded_and_tells_what_it_waited_for(clock: Clock) -> None:
    with pytest.raises(SealError, match=r"database is NOT protected \(did not show it within 60 s"):
        seal([Resource("database", looks=1_000), Resource("table")], 60)
    assert 60 - PAUSE <= clock.now <= 60


# The two resources


Resources = dict[str, Callable[[Stubber], Database | Table]]
RESOURCES: Resources = {
    "rds": lambda stub: Database(stub.client, "ledger"),
    "dynamodb": lambda stub: Table(stub.client, "payments"),
}


def described(protected: bool, status: str = "available") -> dict[str, Any]:
    return {"DBInstances": [{"DeletionProtection": protected, "DBInstanceStatus": status}]}


def test_the_database_is_changed_at_once_and_in_nothing_else(stubbed: Stubbed) -> None:
    stub = stubbed("rds")
    identified = {"DBInstanceIdentifier": "ledger"}
    stub.add_response("describe_db_instances", described(False), identified)
    stub.add_response(
        "modify_db_instance",
        {},
        {**identified, "DeletionProtection": True, "ApplyImmediately": True},
    )
    stub.add_response("describe_db_instances", described(True), identified)
    database = RESOURCES["rds"](stub)
    assert database.is_protected() is False
    assert database.protect(True)
    assert database.is_protected() is True


def test_the_table_is_changed_in_nothing_else(stubbed: Stubbed) -> None:
    stub = stubbed("dynamodb")
    named = {"TableName": "payments"}
    active = {"TableStatus": "ACTIVE"}
    sealed = {**active, "DeletionProtectionEnabled": True}
    stub.add_response("describe_table", {"Table": active}, named)
    stub.add_response("update_table", {}, {**named, "DeletionProtectionEnabled": True})
    stub.add_response("describe_table", {"Table": sealed}, named)
    table = RESOURCES["dynamodb"](stub)
    assert table.is_protected() is False
    assert table.protect(True)
    assert table.is_protected() is True


@pytest.mark.parametrize(
    ("service", "operation", "code", "taken"),
    [
        ("rds", "modify_db_instance", "InvalidDBInstanceState", False),
        ("rds", "modify_db_instance", "DBInstanceNotFound", False),
        ("rds", "modify_db_instance", "Other", None),
        ("dynamodb", "update_table", "ResourceInUseException", False),
        ("dynamodb", "update_table", "ResourceNotFoundException", False),
        ("dynamodb", "update_table", "Other", None),
    ],
)
def test_only_what_cannot_be_changed_now_is_no_error(
    stubbed: Stubbed, service: str, operation: str, code: str, taken: bool | None
) -> None:
    stub = stubbed(service)
    stub.add_client_error(operation, code)
    with nullcontext() if taken is False else pytest.raises(ClientError):
        assert RESOURCES[service](stub).protect(True) is taken


@pytest.mark.parametrize(
    ("service", "look", "gone", "going"),
    [
        ("rds", "describe_db_instances", "DBInstanceNotFound", described(True, "deleting")),
        (
            "dynamodb",
            "describe_table",
            "ResourceNotFoundException",
            {"Table": {"TableStatus": "DELETING"}},
        ),
    ],
)
def test_what_is_gone_or_going_does_not_exist(
    stubbed: Stubbed, service: str, look: str, gone: str, going: dict[str, Any]
) -> None:
    stub = stubbed(service)
    stub.add_client_error(look, gone)
    stub.add_response(look, going)
    resource = RESOURCES[service](stub)
    assert resource.is_protected() is None
    assert resource.is_protected() is None


# CloudFormation's requests


@pytest.fixture
def request_(monkeypatch: pytest.MonkeyPatch) -> Send:
    """Sends a request to the function, about these resources; its answer to CloudFormation."""
    properties = {"DatabaseIdentifier": "ledger", "TableName": "payments"}
    ask = sender(monkeypatch, production_seal.handler.handle, **properties)

    def send(request_type: str, resources: list[Resource], **more: Any) -> dict[str, Any]:
        monkeypatch.setattr(production_seal.handler, "_resources", lambda _: resources)
        return ask(request_type, **more)

    return send


def two(protected: bool) -> list[Resource]:
    return [Resource("database", protected=protected), Resource("table", protected=protected)]


@pytest.mark.parametrize("request_type", ["Create", "Update"])
@pytest.mark.parametrize("before", [True, False])
def test_create_and_update_seal(request_: Send, request_type: str, before: bool) -> None:
    resources = two(before)
    answer = request_(request_type, resources)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "production-seal")
    assert [resource.protected for resource in resources] == [True, True]


def test_the_rollback_of_an_update_leaves_it_sealed(request_: Send) -> None:
    """CloudFormation sends an Update again, with the old properties."""
    resources = two(True)
    before = {"DatabaseIdentifier": "ledger", "TableName": "failed"}
    answer = request_("Update", resources, OldResourceProperties=before, PhysicalResourceId="p")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "p")
    assert [resource.protected for resource in resources] == [True, True]


def test_a_first_creation_that_fails_in_the_seal_can_be_rolled_back(request_: Send) -> None:
    """CloudFormation sends a Delete for the resource whose Create failed."""
    database, table = Resource("database"), Refusing("table")
    answer = request_("Create", [database, table])
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("SealError: table is NOT protected")
    assert database.protected
    answer = request_("Delete", [database, table], PhysicalResourceId=answer["PhysicalResourceId"])
    assert answer["Status"] == "SUCCESS"
    assert not database.protected


def test_delete_of_what_is_gone_succeeds(request_: Send) -> None:
    resources = [Resource("database", protected=None), Resource("table", protected=None)]
    assert request_("Delete", resources)["Status"] == "SUCCESS"


def test_cloudformation_is_answered_before_the_functions_time_is_up(
    request_: Send, clock: Clock
) -> None:
    answer = request_("Create", [Resource("database", looks=1_000), Resource("table")])
    assert answer["Status"] == "FAILED"
    assert 200 <= clock.now <= 240
