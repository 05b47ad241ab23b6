"""Ask a bundle's model, so that a person can see that it works.

In:  a bundle, and a text or an image's file; optionally a target to run on.
Out: the best matches of a search bundle's corpus, labels with their probabilities, a tag for each word, a value, or
     the text that a model writes after it.
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
from edgewright.bundles.drafts import deploy_both, draft_of, is_greedy, use_document
from edgewright.bundles.room import require_room
from edgewright.bundles.schema import ArtifactFacts, TaskFacts
from edgewright.bundles.written_text import USUAL_WRITING, OnText, PromptMaker, Spelling, WritingSettings, document_of
from edgewright.errors import BundleError, InputError
from edgewright.measure.deployment import HERE
from edgewright.measure.kept import KeptRunner
from edgewright.measure.measuring import infer
from edgewright.measure.prompts import Draft, Prompt, generation_of
from edgewright.measure.streaming import StreamedText, stream
from edgewright.modality.input_spec import ReadExample
from edgewright.specs.batching import Examples, calls_of, named, outputs_of_each
from edgewright.specs.signature import FORWARD, Array, Call
from edgewright.targets import open_target
from edgewright.tasks.search_index import SearchIndex
from edgewright.tasks.task import Document, Question

USUAL_TOP = 5  # labels or matches that are shown


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model says: as a JSON document, and as a table for a person, or one bare value where it has no heads.

    A text that was `streamed` is known to whoever heard of it.
    """

    document: Document
    heads: tuple[str, ...]
    rows: list[tuple[object, ...]]
    streamed: bool = False


@dataclass(frozen=True, kw_only=True)
class AskOptions:
    """How a bundle is asked: where, which of its artifacts, and what is to be heard of.

    The address is this machine's where it names none. `top` is how many labels or matches are shown (5); `settings`
    and `on_text`, which hears of text as it comes, are for bundles that write. With `writes` another is refused.
    """

    address: str = HERE
    runtime: str | None = None
    top: int | None = None
    settings: WritingSettings | None = None
    on_text: OnText | None = None
    writes: bool = False


def ask(bundle: str | Path, given: str, asked: AskOptions | None = None) -> Answer:
    """Open a bundle and ask it once; raises what `Bundle.open` and a target raise."""
    with Bundle.open(bundle) as opened:
        document = answer_of(opened, given, asked)
        if opened.artifact(asked.runtime if asked else None).signature.generation is not None:
            streamed = asked is not None and asked.on_text is not None
            return Answer(document=document, heads=(), rows=[(document["text"],)], streamed=streamed)
        heads, rows = opened.manifest.task.task.answer_table(document)
        return Answer(document=document, heads=heads, rows=rows)


def answer(bundle: str | Path, given: str, asked: AskOptions | None = None) -> Document:
    """The same as a JSON document alone."""
    return ask(bundle, given, asked).document


def answer_of(bundle: Bundle, given: str, asked: AskOptions | None = None) -> Document:
    """The same of an opened bundle, run on a target by the runner that is measured; on this machine by default.

    What was read or started for it stays with the bundle until that is closed.
    """
    return bundle.answerer.answer(given, asked or AskOptions())


class Answerer:
    """Asks one bundle, and keeps its tokenizer, its corpus and the runners on this machine between questions."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._runners: dict[str, KeptRunner] = {}

    def close(self) -> None:
        """End the runners. Safe to call twice; a further question starts them anew."""
        while self._runners:
            self._runners.popitem()[1].close()

    def answer(self, given: str, asked: AskOptions) -> Document:
        """What the model makes of a text or an image's file, as a JSON document.

        Raises `InputError` for what a bundle of this kind is not asked with, and for a cache that the device's free
        memory does not hold.
        """
        artifact = self._bundle.artifact(asked.runtime)
        _require_read(artifact, asked)
        about = {"input": given, "runtime": artifact.runtime, "target": asked.address}
        if artifact.signature.generation is not None:
            return {"kind": "text", **about, **self._written(given, artifact, asked)}
        found = self._judged(given, artifact, asked)
        return {"kind": found.pop("kind"), **about, **found}

    def _judged(self, given: str, artifact: ArtifactFacts, asked: AskOptions) -> Document:
        """The labels, values or matches that one output stands for."""
        task, top = self._bundle.manifest.task, asked.top or USUAL_TOP
        question = self._read(given)
        output = self._output(artifact, question.examples, asked.address)
        _require_fitting(task, output)
        context = Question(
            text=given,
            top=top,
            labels=task.labels,
            places=question.places,
            value_mean=task.value_mean,
            value_std=task.value_std,
            search=lambda embedding: self._index.best(embedding, top=top),
        )
        return task.task.answer(output, context)

    def _written(self, given: str, artifact: ArtifactFacts, asked: AskOptions) -> Document:
        """What an artifact writes after a text."""
        settings, plan = asked.settings or USUAL_WRITING, generation_of(artifact.signature)
        prompt = self._prompts.prompt(given, settings, artifact.signature)
        spelling = Spelling(
            self._prompts.tokenizer,
            prompt,
            silent=plan.stop,
            stop=settings.stop,
            on_text=asked.on_text or (lambda _: None),
        )
        draft = draft_of(self._bundle, artifact) if is_greedy(prompt) and not settings.no_draft else None
        if asked.address != HERE:
            written = self._streamed(artifact, prompt, draft, spelling, asked)
        else:
            (text,) = self._runner(artifact).generate(
                artifact.signature,
                [prompt],
                lambda _, token: spelling.add(token),
                context=settings.context,
                draft=draft,
            )
            written = StreamedText.of(text)
        document = document_of(spelling, written, prompt)
        if not self._bundle.manifest.drafts:
            return document
        return {**document, "draft": use_document(written.draft, written.tokens)}

    def _streamed(
        self, artifact: ArtifactFacts, prompt: Prompt, draft: Draft | None, spelling: Spelling, asked: AskOptions
    ) -> StreamedText:
        context = asked.settings.context if asked.settings else None
        target = open_target(asked.address)
        try:
            require_room(target, artifact)
            deployed = deploy_from if draft is None else deploy_both
            place = deployed(self._bundle, artifact, target)
            with blamed_on_age(artifact, place):
                return stream(
                    target,
                    place.artifact,
                    place.runtime,
                    artifact.signature,
                    prompt,
                    spelling.add,
                    context=context,
                    draft=draft,
                )
        finally:
            target.close()

    @cached_property
    def _prompts(self) -> PromptMaker:
        return PromptMaker(self._bundle)

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
            require_room(target, artifact)
            place = deploy_both(self._bundle, artifact, target)
        finally:
            target.close()
        with blamed_on_age(artifact, place):
            self._runners[artifact.runtime] = KeptRunner(place.artifact, place.runtime)
        return self._runners[artifact.runtime]


def _require_read(artifact: ArtifactFacts, asked: AskOptions) -> None:
    """Raises `InputError` naming what is asked for, and is not for such a bundle."""
    if artifact.signature.generation is not None:
        if asked.top is not None:
            raise InputError("--top is for labels and matches, and this bundle writes text; leave it out")
        return
    named = asked.settings.asked_for() if asked.settings else ()
    if named or asked.writes:
        what = f"{', '.join(named)} {'is' if len(named) == 1 else 'are'}" if named else "generating is"
        raise InputError(f"{what} for bundles that write text, and this one does not; leave it out")


def _require_fitting(task: TaskFacts, output: Sequence[float]) -> None:
    """Raises `BundleError` where the manifest has another number of labels than the model has outputs."""
    count = task.task.outputs(task.labels)  # 0 for an embedding, of whatever width
    fits = len(output) % task.tags == 0 if task.tags else not count or len(output) == count
    if not fits:
        raise BundleError(
            f"the model gave {len(output)} numbers, which are not those of {task.tags or count} labels or values that "
            "the manifest names; build the bundle again"
        )
