"""Postings per second and bytes a posting: ours, another ledger in SQL, and one bare insert.

    python -m benchmarks.peer_ledger [--peer pgledger.sql] [--seconds 5] [--turns 9]

The peer is pgledger (github.com/pgr0ss/pgledger), from a file that you bring; several are loaded in
the order given. Without one, ours is compared with the bare insert alone. All on one server (fsync
on), by pgbench with prepared statements over the same Unix socket, each in a database of its own
and by a user whose rights are checked, as no superuser's are. They take turns, each with new
connections, whose first postings take longest; the ratios are medians of the turns' own. A posting
moves money between one hot account and one of 100 others. The bare insert writes one row of the
same terms, with a unique key.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from ledger_schema.migrator import migrate, read

from benchmarks.ledger_postings import DATABASE, MASTER, PROCESSOR
from local.postgres import BIN, PostgresServer, new_password

OWNER: Final = "peer_owner"
MERCHANTS: Final = 100


@dataclass(frozen=True)
class Contender:
    """
    Attributes:
        script: pgbench's; one posting, with a merchant of its own choice.
        count: SQL that tells how many postings there are.
    """

    name: str
    database: str
    user: str
    script: str
    count: str


_MERCHANT: Final = f"\\set merchant random(1, {MERCHANTS})\n"

OURS: Final = Contender(
    "ours",
    DATABASE,
    PROCESSOR,
    _MERCHANT + "SELECT ledger.post_payment("
    "gen_random_uuid(), 'merchant-' || :merchant, 1234, 'EUR', NULL);\n",
    "SELECT count(*) FROM ledger.entries",
)
# Its accounts are numbered, by ids as long as its own.
PEER: Final = Contender(
    "peer",
    "peer",
    OWNER,
    _MERCHANT + "SELECT * FROM pgledger_create_transfer("  # noqa: S608 - pieces of our own
    "'pgla_' || lpad('0', 26, '0'), 'pgla_' || lpad(:merchant, 26, '0'), 12.34);\n",
    "SELECT count(*) FROM pgledger_transfers",
)
BARE: Final = Contender(
    "bare",
    "bare",
    OWNER,
    _MERCHANT + "INSERT INTO posting (transaction_id, merchant_id, amount, currency) "
    "VALUES (gen_random_uuid(), 'merchant-' || :merchant, 1234, 'EUR');\n",
    "SELECT count(*) FROM posting",
)
_BARE_TABLE: Final = (
    "CREATE TABLE posting (transaction_id uuid PRIMARY KEY, merchant_id text NOT NULL, "
    "amount bigint NOT NULL, currency text NOT NULL, "
    "posted_at timestamptz NOT NULL DEFAULT clock_timestamp())"
)
# pgledger keeps this in a file of its own. Who does not bring that gets something as long, and
# quicker.
_ULID: Final = (
    "CREATE FUNCTION uuid_to_ulid(id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS "
    "$$ SELECT upper(left(replace(id::text, '-', ''), 26)) $$"
)


def prepare(server: PostgresServer, peer: list[Path]) -> list[Contender]:
    """Make a database for each, and say who takes part."""
    server.create_ledger_database(master_password=new_password())
    with contextlib.closing(server.connect(MASTER, DATABASE)) as master:
        migrate(master, read())
    contenders = [OURS, BARE]
    if peer:
        contenders.insert(1, PEER)
    with contextlib.closing(server.connect()) as superuser:
        superuser.run(f"CREATE ROLE {OWNER} LOGIN")
        for contender in contenders[1:]:
            superuser.run(f"CREATE DATABASE {contender.database} OWNER {OWNER}")
    with contextlib.closing(server.connect(OWNER, BARE.database)) as owner:
        owner.run(_BARE_TABLE)
    if peer:
        _load_peer(server, peer)
    return contenders


def _load_peer(server: PostgresServer, files: list[Path]) -> None:
    with contextlib.closing(server.connect(OWNER, PEER.database)) as owner:
        if not any("FUNCTION uuid_to_ulid" in file.read_text(encoding="utf-8") for file in files):
            owner.run(_ULID)
    _run(
        *["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", *_address(server)],
        *[f"--username={PEER.user}", PEER.database, *(f"--file={file}" for file in files)],
    )
    with contextlib.closing(server.connect(OWNER, PEER.database)) as owner:
        for number in range(MERCHANTS + 1):
            ((account,),) = owner.run(
                "SELECT id FROM pgledger_create_account(:name, 'EUR')", name=f"account {number}"
            )
            owner.run(
                "UPDATE pgledger_accounts SET id = 'pgla_' || lpad(:number, 26, '0') "
                "WHERE id = :account",
                number=str(number),
                account=account,
            )


def pgbench(server: PostgresServer, contender: Contender, seconds: float, clients: int) -> float:
    """Postings per second."""
    script = server.directory.parent / f"{contender.name}.sql"
    script.write_text(contender.script, encoding="utf-8")
    told = _run(
        *["pgbench", "--no-vacuum", "--protocol=prepared", f"--file={script}", *_address(server)],
        *[f"--client={clients}", f"--jobs={min(clients, 2)}", f"--time={seconds:.0f}"],
        *[f"--username={contender.user}", contender.database],
    )
    found = re.search(r"tps = ([\d.]+) \(without initial", told)
    assert found, told
    return float(found[1])


def footprint(server: PostgresServer, contender: Contender) -> tuple[int, int]:
    """The bytes of its database, and how many postings are in it."""
    with contextlib.closing(server.connect(database=contender.database)) as superuser:
        ((size, count),) = superuser.run(
            f"SELECT pg_database_size(current_database()), ({contender.count})"
        )
    return size, count


def _address(server: PostgresServer) -> list[str]:
    return [f"--host={server.socket_path.parent}", f"--port={server.port}"]


def _run(program: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - of the pinned package
        [str(BIN / program), *arguments], capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(f"{program}: {done.stderr}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, nargs="+", default=[], help="its SQL files")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--turns", type=int, default=9)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        PostgresServer(Path(directory) / "postgres") as server,
    ):
        contenders = prepare(server, arguments.peer)
        before = {contender: footprint(server, contender) for contender in contenders}
        print(f"postings per second, median of {arguments.turns} turns")  # noqa: T201
        for clients in arguments.clients:
            turns: dict[Contender, list[float]] = {contender: [] for contender in contenders}
            for _ in range(arguments.turns):
                for contender, rates in turns.items():
                    rates.append(pgbench(server, contender, arguments.seconds, clients))
            for contender, rates in turns.items():
                # Turn by turn: what else the machine does meets both.
                ratio = median(us / it for us, it in zip(turns[OURS], rates, strict=True))
                print(  # noqa: T201
                    f"{clients:3} clients: {contender.name} {median(rates):.0f}, "
                    f"ours is {ratio:.2f} of it   ({[round(x) for x in rates]})"
                )
        for contender in contenders:
            (size, count), (empty, _) = footprint(server, contender), before[contender]
            print(f"{contender.name}: {(size - empty) / count:.0f} bytes a posting ({count})")  # noqa: T201


if __name__ == "__main__":
    main()
