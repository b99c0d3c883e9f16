"""How sharp the tests are: a fixed sample of mutants of the product, and which tests kill them.

    uv run --no-project --with cosmic-ray==8.7.0 python benchmarks/mutants.py --help

The mutants are cosmic-ray's (one operator, number, constant, condition, decorator, exception or
loop changed at a time), but for those in annotations, which nothing evaluates. A sample of the same
seed and sources is always the same. Each mutant is written into a copy of the checkout; the stages
of tests run there one after the other, until one fails (the mutant is killed) or none is left.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from pathlib import Path

from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
# Not part of a copy: what is made anew, or only read (and then linked).
LINKED = (".venv", "node_modules", ".build")
LEFT_OUT = (*LINKED, ".git", ".local", "cdk.out", "__pycache__", ".mypy_cache", ".ruff_cache")

# One changes nothing, the others must be told of names.
NOT_USED = ("core/NoOp", "core/VariableInserter", "core/VariableReplacer")
# `==` made `is`: the same for the numbers and names that are compared here.
IDENTITY = re.compile("_(Eq|NotEq|Lt|LtE|Gt|GtE)_Is(Not)?$")

Span = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Mutant:
    """One change of one source.

    Attributes:
        file: relative to the root of the checkout.
        operator: cosmic-ray's name of the change.
        occurrence: which of the places in the file where the operator applies, from 0.
        line: where it begins.
        change: the lines before and after, as a diff.
    """

    file: str
    operator: str
    occurrence: int
    line: int
    change: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line} {self.operator.removeprefix('core/')}#{self.occurrence}"

    @property
    def identity(self) -> str:
        """The same in all versions of the file that have the changed line."""
        return f"{self.file} {self.operator} {self.change}"

    def source(self) -> str:
        text = (ROOT / self.file).read_text(encoding="utf-8")
        mutated = mutate_code(text, get_operator(self.operator)(), self.occurrence)
        assert mutated is not None, self
        return str(mutated)


def all_mutants(file: Path) -> Iterator[Mutant]:
    """Every mutant of a file, but for those in annotations."""
    text = file.read_text(encoding="utf-8")
    annotations = list(_annotations(ast.parse(text)))
    tree = get_ast(text)
    nodes = list(_walk(tree))
    for operator_name in sorted(operator_names()):
        if operator_name in NOT_USED or IDENTITY.search(operator_name):
            continue
        operator = get_operator(operator_name)()
        positions = [at for node in nodes for at in operator.mutation_positions(node)]
        for occurrence, (start, end) in enumerate(positions):
            if any(first <= start and end <= last for first, last in annotations):
                continue
            try:
                mutated = mutate_code(text, operator, occurrence)
            except AttributeError:  # an exception that is named by its module: it cannot do those
                continue
            if mutated is None or mutated == text or not _is_python(mutated):
                continue
            change = unified_diff(text.splitlines(), mutated.splitlines(), lineterm="", n=0)
            lines = [line for line in change if line[:3] not in ("---", "+++") and line[:2] != "@@"]
            name = str(file.relative_to(ROOT))
            yield Mutant(name, operator_name, occurrence, start[0], "\n".join(lines))


def sample(
    folders: Sequence[str], size: int, seed: int, again: Collection[str] = ()
) -> list[Mutant]:
    """So many mutants of the sources below these folders, in a drawn order.

    Each has its place in that order whatever the others are, so that a change of one source leaves
    the sample of all others as it was. At most one mutant an operator's kind and line: ten
    replacements of one `<` tell little more than one.

    Args:
        again: identities of the mutants of an earlier sample: those of them that the sources still
            have are taken instead.
    """

    def lot(mutant: Mutant) -> str:
        drawn = f"{seed} {mutant.file} {mutant.operator} {mutant.change} {mutant.occurrence}"
        return hashlib.sha256(drawn.encode()).hexdigest()

    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    mutants = [mutant for file in files for mutant in all_mutants(file)]
    mutants.sort(key=lot)
    chosen: dict[tuple[str, int, str], Mutant] = {}
    if again:
        of_before = {mutant.identity: mutant for mutant in mutants if mutant.identity in again}
        print(f"{len(of_before)} of {len(again)} are still there", file=sys.stderr)  # noqa: T201
        return list(of_before.values())
    for mutant in mutants:
        kind = mutant.operator.split("_")[0]
        chosen.setdefault((mutant.file, mutant.line, kind), mutant)
    found = list(chosen.values())[:size]
    print(f"{len(found)} of {len(mutants)} mutants of {len(files)} files", file=sys.stderr)  # noqa: T201
    return found


def _walk(node: object) -> Iterator[object]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def _annotations(tree: ast.AST) -> Iterator[Span]:
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            found = getattr(node, name, None)
            if isinstance(found, ast.expr):
                assert found.end_lineno is not None and found.end_col_offset is not None  # noqa: PT018
                yield (
                    (found.lineno, found.col_offset),
                    (found.end_lineno, found.end_col_offset),
                )


def _is_python(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def run(
    mutants: Sequence[Mutant], stages: Sequence[str], known: dict[str, str], seconds: float
) -> Iterator[tuple[Mutant, str]]:
    """Each mutant, and the stage that killed it, or "survived".

    Args:
        stages: arguments of pytest each, the cheapest first.
        known: mutants that are decided already, by their identity.
        seconds: after which a stage counts as failed: a mutant may never end.
    """
    with tempfile.TemporaryDirectory(prefix="payments-mutants-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for name in LINKED:
            (copy / name).symlink_to(ROOT / name)
        for mutant in mutants:
            if mutant.identity in known:
                yield mutant, known[mutant.identity]
                continue
            file = copy / mutant.file
            original = file.read_bytes()
            file.write_text(mutant.source(), encoding="utf-8")
            try:
                killer = next(
                    (stage for stage in stages if _fails(stage, copy, seconds)), "survived"
                )
            finally:
                file.write_bytes(original)
            yield mutant, killer


def _fails(stage: str, checkout: Path, seconds: float) -> bool:
    command = [str(checkout / ".venv" / "bin" / "python"), "-B", "-m", "pytest", "-x", "-q"]
    command += ["-p", "no:cacheprovider", "--hypothesis-seed=0", *stage.split()]
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=checkout,
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": "/dev/null",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(seconds) != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()


def _outcomes(results: Path) -> dict[str, str]:
    """Who killed which mutant, by its identity."""
    return {
        f"{each['file']} {each['operator']} {each['change']}": each["killer"]
        for each in json.loads(results.read_text(encoding="utf-8"))
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folders", nargs="+", help="whose sources are changed")
    parser.add_argument("--size", type=int, default=200, help="mutants (default: 200)")
    parser.add_argument("--seed", type=int, default=20261127, help="of the sample")
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        help="arguments of pytest; several stages run in this order, until one fails",
    )
    parser.add_argument("--seconds", type=float, default=120, help="of a stage (default: 120)")
    parser.add_argument("--again", type=Path, help="results of before: take the same mutants")
    parser.add_argument("--results", type=Path, help="keep what came of each here, and go on there")
    options = parser.parse_args()
    results: Path | None = options.results
    known = _outcomes(results) if results and results.exists() else {}
    again = _outcomes(options.again) if options.again else {}
    mutants = sample(options.folders, options.size, options.seed, again)
    outcomes: list[dict[str, object]] = []
    begin = time.monotonic()
    for number, (mutant, killer) in enumerate(
        run(mutants, options.stage, known, options.seconds), 1
    ):
        outcomes.append({"name": mutant.name, "killer": killer, **asdict(mutant)})
        seconds = time.monotonic() - begin
        print(f"{number:>4} {seconds:6.0f} s  {killer:<40} {mutant.name}", flush=True)  # noqa: T201
        if results:
            partial = results.with_suffix(".new")
            partial.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")
            partial.replace(results)
    print(json.dumps(Counter(str(each["killer"]) for each in outcomes), indent=1))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
