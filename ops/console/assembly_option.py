"""`--assembly`: of the commands that read templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AssemblyOption = Annotated[
    Path | None,
    typer.Option(
        "--assembly",
        exists=True,
        file_okay=False,
        show_default=False,
        help="A cloud assembly that `cdk synth` made, instead of synthesizing one now.",
    ),
]
