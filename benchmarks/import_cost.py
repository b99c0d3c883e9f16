"""What importing a handler costs a cold start, in CPU time.

    python -m benchmarks.import_cost [--runs 11]

Each measurement is a new process, from compiled bytecode; what the bare interpreter needs is taken
off. The yardstick, in the same run: `import boto3` and one client. The measurements take turns, so
that a busy machine is equally unfair to all.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = 1.5  # of the yardstick

BARE: Final = "pass"
YARDSTICK: Final = "import boto3; boto3.client('dynamodb', region_name='us-east-1')"
HANDLERS: Final = ("payment_validator", "payment_processor", "audit_logger")

CPU: Final = "import resource\nu = resource.getrusage(0)\nprint(u.ru_utime + u.ru_stime)"


def cpu_seconds(program: str, more_variables: Mapping[str, str] = MappingProxyType({})) -> float:
    """User and system time of a new interpreter that runs the program."""
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(
            [str(PROJECT / "lambda_code"), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        "AWS_DEFAULT_REGION": "us-east-1",
        "POWERTOOLS_SERVICE_NAME": "benchmark",
        **more_variables,
    }
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", f"{program}\n{CPU}"],
        env=variables,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def in_turns(programs: Mapping[str, str], runs: int) -> dict[str, list[float]]:
    """CPU seconds of every run of each program."""
    for program in programs.values():
        cpu_seconds(program)  # writes the bytecode
    found: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(runs):
        for name, program in programs.items():
            found[name].append(cpu_seconds(program))
    return found


def least_cpu(programs: Mapping[str, str], *, base: str, runs: int) -> dict[str, float]:
    """Least CPU seconds that each program needs beyond those of `base`."""
    found = in_turns({"base": base, **programs}, runs)
    return {name: min(found[name]) - min(found["base"]) for name in programs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    programs = {"bare": BARE, "boto3 + client": YARDSTICK}
    programs |= {handler: f"import {handler}.handler" for handler in HANDLERS}
    found = in_turns(programs, parser.parse_args().runs)
    bare = median(found.pop("bare"))
    yardstick = median(found["boto3 + client"]) - bare
    print(f"{'':20} {'median ms':>10} {'min ms':>8} {'ratio':>6}   target: {TARGET}")  # noqa: T201
    for name, seconds in found.items():
        cost = median(seconds) - bare
        least = min(seconds) - bare
        print(f"{name:20} {cost * 1000:10.0f} {least * 1000:8.0f} {cost / yardstick:6.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
