"""The flags several verbs share, each described once."""

from typing import Annotated

import typer

RUNTIMES = "executorch|litert|onnx|tflite"
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
TargetAddress = Annotated[
    str,
    typer.Option("--target", metavar="ADDRESS", help="local:, ssh://user@host[:port] or emulated://PROFILE."),
]
RuntimeName = Annotated[
    str | None,
    typer.Option("--runtime", metavar=RUNTIMES, help="Which artifact to run; the faster one by default."),
]
