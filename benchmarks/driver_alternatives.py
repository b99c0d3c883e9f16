"""pg8000 against psycopg 3: what importing costs a cold start, and a posting over TLS.

    python -m pip install --target /tmp/alternatives "psycopg[binary]"
    PYTHONPATH=$PYTHONPATH:/tmp/alternatives python -m benchmarks.driver_alternatives

psycopg is no dependency of the project, and so not in its virtual environment. Both drivers post
through one connection each to the same PostgreSQL, by the same prepared statement, as the same
user, with the server verified, one posting after the other in turns. The embedded TLS door stands
between (another process, in Python): it adds the same to both.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import multiprocessing
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import uuid4

import trustme
from ledger_schema.migrator import migrate, read
from pg8000.native import Connection  # type: ignore[import-untyped]

from benchmarks.import_cost import least_cpu
from local.postgres import PostgresServer, new_password
from local.rds_front import Authentication, RdsFront

MASTER, DATABASE, HOST = "ledger_admin", "payments", "localhost"
WARM_UP: Final = 100

# Every function has botocore already: what a driver adds to that is its price.
IMPORTS: Final = {
    "pg8000": "import botocore.session, pg8000.native",
    "psycopg": "import botocore.session, psycopg; assert psycopg.pq.__impl__ == 'binary'",
}

Post = Callable[[str], Any]  # a transaction's id to its entry


def through_pg8000(port: int, ca_file: str, password: str) -> Post:
    connection = Connection(
        MASTER,
        host=HOST,
        port=port,
        database=DATABASE,
        password=password,
        ssl_context=ssl.create_default_context(cafile=ca_file),
    )
    statement = connection.prepare("SELECT ledger.post_payment(:id, 'benchmark', :amount, 'EUR')")
    return lambda transaction_id: statement.run(id=transaction_id, amount=1234)[0][0]


def through_psycopg(port: int, ca_file: str, password: str) -> Post:
    psycopg = importlib.import_module("psycopg")
    connection = psycopg.connect(
        user=MASTER,
        host=HOST,
        port=port,
        dbname=DATABASE,
        password=password,
        sslmode="verify-full",
        sslrootcert=ca_file,
        autocommit=True,
    )
    statement = "SELECT ledger.post_payment(%s, 'benchmark', %s, 'EUR')"
    return lambda transaction_id: connection.execute(
        statement, (transaction_id, 1234), prepare=True
    ).fetchone()[0]


def post_in_turns(
    port: int, ca_file: str, password: str, payments: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of each posting by driver: elapsed, and the client's own CPU time."""
    drivers = {
        "pg8000": through_pg8000(port, ca_file, password),
        "psycopg": through_psycopg(port, ca_file, password),
    }
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in drivers}
    for number in range(WARM_UP + payments):
        for name, post in drivers.items():
            transaction_id = str(uuid4())
            started, cpu = time.perf_counter(), time.process_time()
            entry = post(transaction_id)
            cpu, elapsed = time.process_time() - cpu, time.perf_counter() - started
            assert json.dumps(entry["postings"]).count("1234") == 2  # read, and the same by both
            if number >= WARM_UP:
                found[name][0].append(elapsed)
                found[name][1].append(cpu)
    return found


def postings(payments: int) -> dict[str, tuple[list[float], list[float]]]:
    password, authority = new_password(), trustme.CA()
    with (
        tempfile.TemporaryDirectory() as directory,
        PostgresServer(Path(directory) / "postgres") as server,
    ):
        server.create_ledger_database(master_password=password)
        with contextlib.closing(server.connect(MASTER, DATABASE)) as master:
            migrate(master, read())
        ca_file = Path(directory) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(tls)
        front = RdsFront(
            server,
            tls,
            Authentication(
                master_user=MASTER,
                master_password=lambda: password,
                token_refusal=lambda _user, _token: "not here",
            ),
        )
        front.start()
        try:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return pool.apply(post_in_turns, (front.port, str(ca_file), password, payments))
        finally:
            front.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--payments", type=int, default=1000)
    arguments = parser.parse_args()
    imports = least_cpu(IMPORTS, base="import botocore.session", runs=arguments.runs)
    posted = postings(arguments.payments)
    print(f"{'ms':10} {'import':>8} {'posting':>8} {'its CPU':>8}")  # noqa: T201
    for name, (elapsed, cpu) in posted.items():
        print(  # noqa: T201
            f"{name:10} {imports[name] * 1000:8.0f} {median(elapsed) * 1000:8.2f} "
            f"{median(cpu) * 1000:8.2f}"
        )


if __name__ == "__main__":
    main()
