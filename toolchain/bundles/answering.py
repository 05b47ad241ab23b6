"""Ask a bundle's model, so that a person can see that it works.

In:  a bundle, and a text or an image's file; optionally a target to run on.
Out: the best matches of a search bundle's corpus, labels with their probabilities, a tag for each word, or a value.
No torch is imported. On this machine a runner stays for each runtime that was asked, so that only the first question
waits for the model to be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgewright.bundles.bundle import CORPUS, INDEX, Bundle
from edgewright.bundles.delivery import blamed_on_age, deploy_from
from edgewright.bundles.schema import ArtifactFacts, TaskFacts
from edgewright.errors import BundleError
from edgewright.measure.deployment import HERE
from edgewright.measure.kept import KeptRunner
from edgewright.measure.measuring import infer
from edgewright.modality.input_spec import ReadExample
from edgewright.specs.batching import Examples, calls_of, named, outputs_of_each
from edgewright.specs.signature import FORWARD, Array, Call
from edgewright.targets import open_target
from edgewright.tasks.search_index import SearchIndex
from edgewright.tasks.task import Document, Question


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model says: as a JSON document, and as a table for a person, or one bare value where it has no heads."""

    document: Document
    heads: tuple[str, ...]
    rows: list[tuple[object, ...]]


def ask(
    bundle: str | Path, given: str, *, address: str | None = None, runtime: str | None = None, top: int = 5
) -> Answer:
    """Open a bundle and ask it once; raises what `Bundle.open` and a target raise."""
    with Bundle.open(bundle) as opened:
        document = answer_of(opened, given, address=address, runtime=runtime, top=top)
        heads, rows = opened.manifest.task.task.answer_table(document)
        return Answer(document=document, heads=heads, rows=rows)


def answer(
    bundle: str | Path, given: str, *, address: str | None = None, runtime: str | None = None, top: int = 5
) -> Document:
    """The same as a JSON document alone."""
    return ask(bundle, given, address=address, runtime=runtime, top=top).document


def answer_of(
    bundle: Bundle, given: str, *, address: str | None = None, runtime: str | None = None, top: int = 5
) -> Document:
    """The same of an opened bundle, run on a target by the runner that is measured; on this machine by default.

    What was read or started for it stays with the bundle until that is closed.
    """
    return bundle.answerer.answer(given, address=address or HERE, runtime=runtime, top=top)


class Answerer:
    """Asks one bundle, and keeps its tokenizer, its corpus and the runners on this machine between questions."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._runners: dict[str, KeptRunner] = {}

    def close(self) -> None:
        """End the runners. Safe to call twice; a further question starts them anew."""
        while self._runners:
            self._runners.popitem()[1].close()

    def answer(self, given: str, *, address: str, runtime: str | None, top: int) -> Document:
        """What the model makes of a text or an image's file, as a JSON document."""
        task, artifact = self._bundle.manifest.task, self._bundle.artifact(runtime)
        question = self._read(given)
        output = self._output(artifact, question.examples, address)
        _require_fitting(task, output)
        asked = {"input": given, "runtime": artifact.runtime, "target": address}
        context = Question(
            text=given,
            top=top,
            labels=task.labels,
            places=question.places,
            value_mean=task.value_mean,
            value_std=task.value_std,
            search=lambda embedding: self._index.best(embedding, top=top),
        )
        found = task.task.answer(output, context)
        return {"kind": found.pop("kind"), **asked, **found}

    @cached_property
    def _read(self) -> Callable[[str], ReadExample]:
        return self._bundle.manifest.task.input_spec.reader(self._bundle.file)

    @cached_property
    def _index(self) -> SearchIndex:
        return SearchIndex.load(self._bundle.file(CORPUS), self._bundle.file(INDEX))

    def _output(self, artifact: ArtifactFacts, examples: Examples, address: str) -> tuple[float, ...]:
        """The first output of the first method for one example, as a row of numbers."""
        method = artifact.signature.method(FORWARD)
        inputs = named(method, examples)
        calls = calls_of(method, inputs)
        given = self._runner(artifact).outputs(calls) if address == HERE else self._inferred(artifact, calls, address)
        (outputs,) = outputs_of_each(method, given, inputs)
        return tuple(np.asarray(outputs[method.outputs[0].name], dtype=np.float64).ravel().tolist())

    def _inferred(self, artifact: ArtifactFacts, calls: Sequence[Call], address: str) -> tuple[dict[str, Array], ...]:
        target = open_target(address)
        try:
            place = deploy_from(self._bundle, artifact, target)
            with blamed_on_age(artifact, place):
                return infer(target, place.artifact, place.runtime, calls)
        finally:
            target.close()

    def _runner(self, artifact: ArtifactFacts) -> KeptRunner:
        """The runner of an artifact on this machine; one that has ended is started again."""
        kept = self._runners.get(artifact.runtime)
        if kept is not None and kept.is_alive:
            return kept
        target = open_target(HERE)
        try:
            place = deploy_from(self._bundle, artifact, target)
        finally:
            target.close()
        with blamed_on_age(artifact, place):
            self._runners[artifact.runtime] = KeptRunner(place.artifact, place.runtime)
        return self._runners[artifact.runtime]


def _require_fitting(task: TaskFacts, output: Sequence[float]) -> None:
    """Raises `BundleError` where the manifest has another number of labels than the model has outputs."""
    count = task.task.outputs(task.labels)  # 0 for an embedding, of whatever width
    fits = len(output) % task.tags == 0 if task.tags else not count or len(output) == count
    if not fits:
        raise BundleError(
            f"the model gave {len(output)} numbers, which are not those of {task.tags or count} labels or values that "
            "the manifest names; build the bundle again"
        )
