"""What a cold start costs up to the first answer, in CPU time: import, clients, first request.

    python -m benchmarks.first_call [--runs 11]

Each measurement is a new process of a function's real package, against PostgreSQL behind TLS and
the emulated AWS; what the bare interpreter needs is taken off. The yardstick of each, in turns with
it: boto3 with the clients that the function has, one call of each, and nothing else: no validation,
no ledger, no trace. For the ledger that is the token to sign in with; boto3 does not connect.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.integration.money.payments_at_hand import approved, payment_request
from tests.integration.money.stores import running
from tests.integration.money.world import World, post_event
from tests.packages import code, unpack

PROJECT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = 0.8  # of the yardstick
CPU: Final = "import resource\nu = resource.getrusage(0)\nprint(u.ru_utime + u.ru_stime)"

ANSWERED: Final = """
import json, os, {function}.handler as handler
from tests.functions.lambda_context import CONTEXT
answer = handler.handle(json.loads(os.environ["EVENT"]), CONTEXT)
assert answer.get("statusCode", 200) == 200 and not answer.get("batchItemFailures"), answer
"""

BOTO3: Final = {
    "payment_validator": """
import boto3, os, uuid
boto3.client("dynamodb").put_item(TableName=os.environ["TRANSACTIONS_TABLE"], Item={
    "transaction_id": {"S": str(uuid.uuid4())}, "timestamp": {"N": "1"}})
""",
    "payment_processor": """
import boto3, os
boto3.client("dynamodb").query(
    TableName=os.environ["TRANSACTIONS_TABLE"], KeyConditionExpression="transaction_id = :t",
    ExpressionAttributeValues={":t": {"S": "none"}})
boto3.client("rds").generate_db_auth_token(
    os.environ["LEDGER_HOST"], int(os.environ["LEDGER_PORT"]), os.environ["LEDGER_USER"])
""",
    "audit_logger": """
import boto3, os, uuid
boto3.client("s3").put_object(
    Bucket=os.environ["AUDIT_BUCKET"], Key=str(uuid.uuid4()), Body=b"{}")
""",
}


def event(world: World, function: str) -> dict[str, Any]:
    """What the function is called with: a payment of its own each time."""
    if function == "payment_validator":
        return post_event("/validate", payment_request())
    transaction_id = approved(world)
    if function == "payment_processor":
        return post_event("/process", {"transaction_id": transaction_id})
    world.read_stream()
    records, world.pending = world.pending[-1:], []
    return {"Records": records}


def cpu_seconds(program: str, variables: Mapping[str, str], path: Path = PROJECT) -> float:
    """User and system time of a new interpreter that runs the program.

    Args:
        path: where it finds its modules, before the project's.
    """
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", f"{program}\n{CPU}"],
        env={
            **variables,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(path), str(PROJECT)]),
            "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
        },
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    runs = parser.parse_args().runs
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as stores:
        world = World(stores)
        variables = {**stores.variables, **world.names.environment}
        unpacked = {name: unpack(code(name), Path(directory) / name) for name in BOTO3}
        for number in range(runs + 1):  # the first writes the bytecode
            turn = {"bare": cpu_seconds("pass", variables)}
            for function, yardstick in BOTO3.items():
                called = {**variables, "EVENT": json.dumps(event(world, function))}
                turn[function] = cpu_seconds(
                    ANSWERED.format(function=function), called, unpacked[function]
                )
                turn[f"{function} boto3"] = cpu_seconds(yardstick, variables)
            if number:
                for name, seconds in turn.items():
                    found[name].append(seconds)
        world.close()
    bare = median(found["bare"])
    print(f"{'median CPU ms':20} {'ours':>6} {'boto3':>6} {'ratio':>6}   target: {TARGET}")  # noqa: T201
    for function in BOTO3:
        ours, boto3 = (
            [(seconds - bare) * 1000 for seconds in found[name]]
            for name in (function, f"{function} boto3")
        )
        # Turn by turn: what else the machine does meets both.
        ratio = median(us / it for us, it in zip(ours, boto3, strict=True))
        print(f"{function:20} {median(ours):6.0f} {median(boto3):6.0f} {ratio:6.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
