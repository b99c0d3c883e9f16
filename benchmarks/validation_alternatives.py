"""fastjsonschema against jsonschema and pydantic: importing, compiling, validating.

    python -m benchmarks.validation_alternatives [--runs 11]

Each validates what POST /validate is sent. Importing and compiling is CPU time of a new process,
beyond what json and re need in any case, in turns; validating is one warm process's. pydantic does
not read JSON Schema: here its model is written by hand, after the same schema. (Both alternatives
are in the virtual environment for the tests' sake; the functions have neither.)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median
from typing import Final

from benchmarks.import_cost import PROJECT, least_cpu

SCHEMA: Final = PROJECT / "lambda_code" / "payments" / "schemas" / "validate_request.json"
ALREADY: Final = "import json, re, decimal, pathlib, typing"

READ: Final = f"import json; schema = json.load(open({str(SCHEMA)!r}))"
PREPARE: Final = {
    "fastjsonschema": f"""{READ}
import fastjsonschema
validate = fastjsonschema.compile(schema, use_default=False, fast_fail=False)""",
    "jsonschema": f"""{READ}
import jsonschema
validate = jsonschema.Draft4Validator(schema).validate""",
    "pydantic": """
from typing import Annotated, Any
from pydantic import BaseModel, ConfigDict, Field
def text(pattern): return Annotated[str, Field(pattern=pattern)]
class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    merchant_id: text("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    amount: Annotated[int, Field(ge=1, le=999_999_999_999)]
    currency: text("^[A-Z]{3}$")
    payment_method_token: text("^[A-Za-z0-9_-]{1,128}$")
    reference: text("^[A-Za-z0-9/?:().,'+ -]{1,35}$")
    idempotency_key: text("^[A-Za-z0-9_.:-]{1,64}$")
validate = Request.model_validate""",
}
IMPORT: Final = {name: f"import {name}" for name in PREPARE}

TIME: Final = """
import timeit
request = dict(merchant_id="corner-books", amount=12345, currency="EUR",
               payment_method_token="tok_benchmark", reference="Order 4711",
               idempotency_key="7f0c1d52-2f0e-4b53-9a51-0f5b8f4f3c55")
validate(request)
try:
    validate({**request, "amount": 0})
except Exception:
    pass
else:
    raise SystemExit("accepts what the schema refuses")
print(min(timeit.repeat(lambda: validate(request), number=1000, repeat=9)) / 1000)
"""


def validating(program: str) -> float:
    """Seconds a request, the best of nine times a thousand."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program + TIME], capture_output=True, encoding="utf-8", check=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    runs = parser.parse_args().runs
    imports = least_cpu(IMPORT, base=ALREADY, runs=runs)
    prepared = least_cpu(PREPARE, base=ALREADY, runs=runs)
    print(f"{'':15} {'import ms':>10} {'+ compile ms':>13} {'validate us':>12}")  # noqa: T201
    for name, program in PREPARE.items():
        each = median(validating(program) for _ in range(3))
        print(  # noqa: T201
            f"{name:15} {imports[name] * 1000:10.0f} {prepared[name] * 1000:13.0f} "
            f"{each * 1_000_000:12.1f}"
        )


if __name__ == "__main__":
    main()
