"""Run an artifact on this machine to see what it gives, by its runtime in this process or by the runner of devices.

In:  a runtime's name, a file, one of its methods, and examples.
Out: its outputs by name. Nothing is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgewright.measure.deployment import HERE, deploy
from edgewright.measure.measuring import infer
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.batching import NamedArrays, calls_of, outputs_of_each
from edgewright.specs.signature import Array, Call, Method, Signature
from edgewright.targets import open_target


def outputs_of(
    runtime: str, file: Path, method: Method, examples: Sequence[NamedArrays], on_progress: Callable[[int], None]
) -> tuple[dict[str, Array], ...]:
    """What a method of an artifact gives for each example here, (1, …) by name, without padding.

    `on_progress` is called with how many are done.
    """
    session = RUNTIMES[runtime].session
    calls = calls_of(method, examples)
    if session is None or method.batch > 1:
        outputs = _by_runner(runtime, file, calls)
        on_progress(len(examples))
        return outputs_of_each(method, outputs, examples)
    run, found = session(file, Signature(methods=(method,))), list[dict[str, Array]]()
    for call in calls:
        found.append(run(call))
        on_progress(len(found))
    return outputs_of_each(method, found, examples)


def _by_runner(runtime: str, file: Path, calls: Sequence[Call]) -> tuple[dict[str, Array], ...]:
    target = open_target(HERE)
    try:
        place = deploy(target, file, runtime=runtime)
        return infer(target, place.artifact, place.runtime, calls)
    finally:
        target.close()
