"""A student's own build, found again in the cache, and the same recipe with other layers, other weights, fewer tokens.

In:  a bundle of a model that writes, or its recipe and profile.
Out: `StudentCase`: both models with the held-out text as the student reads it, and its artifacts as sessions; and
     `Other`s, students of the same sizes and training that began elsewhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from edgewright import pipeline, stages
from edgewright.base.progress import Silent
from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.bundle import Bundle
from edgewright.compress.gradual_cut import evenly_or_named
from edgewright.errors import InputError
from edgewright.measure.text_reading import Run, reading_call
from edgewright.models.causal_inputs import CausalInputs
from edgewright.models.decoder import DecoderModel
from edgewright.quantize.simulated import as_int8, parts_of
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.quantization import int4_group
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import Profile, load_profile
from edgewright.specs.recipe import Recipe
from edgewright.specs.signature import Signature
from edgewright.stages.plan import NotMadeError, Plan
from edgewright.stages.sides import Side, student_of, teacher_of
from edgewright.stages.stage import Build
from tests.torch_session import torch_session

SIMULATED_AS = "onnx"  # the runtime whose cache goes in and comes out, as PyTorch's does
UNIFORM, FRESH = "uniform depth pruning", "a fresh student of the same sizes"


@dataclass(frozen=True, kw_only=True)
class StudentCase:
    """A bundle, and the build that it is of."""

    bundle: Bundle
    build: Build

    @classmethod
    def of(cls, bundle: Bundle, profile: Profile | None = None) -> "StudentCase":
        """Find its build in the cache. Raises `InputError` where that does not hold it: nothing is trained here."""
        manifest = bundle.manifest
        recipe = Recipe.model_validate(manifest.recipe)
        plan = Plan(
            recipe=recipe, profile=profile or load_profile(manifest.profile), progress=Silent(), only_cached=True
        )
        try:
            build = stages.run_stages(Build(plan=plan), pipeline.student_stages(plan))
        except NotMadeError as error:
            raise InputError(
                f"the cache does not hold the stage {error.name} of {bundle.path}, so its models are not there to be "
                "compared; give --cache with the one it was built in, or build its recipe again"
            ) from error
        case = cls(bundle=bundle, build=build)
        if case.student.findings.score != manifest.student.score:
            raise InputError(f"the cache holds another build of {bundle.path}'s recipe; build it again")
        return case

    @property
    def teacher(self) -> Side:
        """The model that was to be copied."""
        return teacher_of(self.build)

    @property
    def student(self) -> Side:
        """The one in float that the artifacts are of."""
        return student_of(self.build)

    @cached_property
    def adapted_teacher(self) -> DecoderModel:
        """The teacher with the student's vocabulary."""
        model = self.student.dataset.adapted(self.teacher.model())
        assert isinstance(model, DecoderModel)
        return model.eval()

    @cached_property
    def student_model(self) -> DecoderModel:
        """The float student."""
        model = self.student.model()
        assert isinstance(model, DecoderModel)
        return model.eval()

    def rows(self, tokens: int) -> CausalInputs:
        """Held-out rows, spread over all of them, of about so many tokens together, and one at least."""
        inputs = self.student.held_out()
        assert isinstance(inputs, CausalInputs)
        every = inputs.rows
        share = min(1.0, tokens / max(sum(map(len, (row.ids for row in every))), 1))
        count = max(round(share * len(every)), 1)
        return CausalInputs([every[place * len(every) // count] for place in range(count)])

    def prompts(self, count: int) -> list[list[int]]:
        """Of held-out texts, in the student's tokens, each once."""
        asked = self.student.dataset.asked(count)
        return [list(ids) for ids in self.student.examples_of(asked)]

    def sessions(self) -> Iterator[tuple[str, Run, Signature]]:
        """(runtime, its session, its signature) of each artifact that can be run in this process."""
        for artifact in self.bundle.manifest.artifacts:
            session = RUNTIMES[artifact.runtime].session
            if session is not None:
                yield artifact.runtime, session(self.bundle.file(artifact.file), artifact.signature), artifact.signature

    @contextmanager
    def simulated(self) -> Iterator[tuple[Run, Signature]]:
        """Within it the student in PyTorch, rounded as the artifacts were, as a session of an artifact."""
        record, spec = BuildRecord.of(self.bundle.manifest).sensitivity, self.student.input_spec()
        assert spec.writes is not None
        source = generating_input(
            self.student_model,
            RUNTIMES[SIMULATED_AS],
            context=spec.writes.context,
            begin=spec.writes.begin,
            stop=spec.writes.stop,
            cache_format=spec.writes.cache,
        )
        decoder = source.module.get_submodule("model")
        names = [name for name in parts_of(decoder) if name not in record.kept_float]
        group = int4_group(spec) if record.int4 else None
        with as_int8(decoder, names, weight_bits=dict.fromkeys(record.int4, 4), group=group):
            yield torch_session(source.module, source.signature), source.signature


def counted_outputs(run: Run, signature: Signature, rows: CausalInputs) -> torch.Tensor:
    """What an artifact says at each counted token of these rows, read a token at a time, as `Dataset.outputs` has it.

    (counted tokens, 2): the natural logarithm of the true token's probability, and the likeliest token.
    """
    plan = signature.generation
    assert plan is not None
    decode, found = signature.method(plan.decode), []
    for row in rows.rows:
        for place, ids in enumerate(row.ids[:-1]):
            logits = torch.from_numpy(run(reading_call(decode, signature, [ids], place))[plan.logits].reshape(-1))
            if place + 1 >= row.first:
                likely = logits.double().log_softmax(dim=-1)
                found.append([float(likely[row.ids[place + 1]]), float(logits.argmax())])
    return torch.tensor(found, dtype=torch.float64).reshape(-1, 2)


@dataclass(frozen=True, kw_only=True)
class Other:
    """A student of the same sizes and as much training: its score, and how many tokens it was trained on."""

    name: str
    tokens: int
    score: float
    parameters: int


def others(recipe: Recipe, profile: Profile, tokens: int, *, name: str, layers: int) -> Iterator[Other]:
    """The recipe's own student called `name`, one of evenly spaced layers and one of random weights.

    Each is trained on so many tokens; `layers` are the teacher's. A stage that the cache holds is taken from there.
    """
    for title, change in ((name, _same), (UNIFORM, _uniform(layers)), (FRESH, _fresh)):
        yield trained(change(with_tokens(recipe, tokens)), profile, title)


def trained(recipe: Recipe, profile: Profile, title: str) -> Other:
    """Build up to the student."""
    plan = Plan(recipe=recipe, profile=profile, progress=Silent())
    side = student_of(stages.run_stages(Build(plan=plan), pipeline.student_stages(plan)))
    found: Any = side.findings
    return Other(name=title, tokens=found.tokens_seen, score=found.score, parameters=found.parameters)


def with_tokens(recipe: Recipe, tokens: int) -> Recipe:
    """The same with a training of so many tokens in one phase."""
    return _changed(recipe, "distill", train_tokens=tokens, epochs=None, final_phase=None)


def _same(recipe: Recipe) -> Recipe:
    return recipe


def _uniform(available: int) -> Callable[[Recipe], Recipe]:
    def change(recipe: Recipe) -> Recipe:
        layers = recipe.stages.prune.layers
        count = available if layers is None else layers if isinstance(layers, int) else len(layers)
        return _changed(recipe, "prune", layers=list(evenly_or_named(count, available)))

    return change


def _fresh(recipe: Recipe) -> Recipe:
    return _changed(recipe, "distill", from_scratch=True)


def _changed(recipe: Recipe, section: str, **values: object) -> Recipe:
    """The same recipe with other settings of one section of stages."""
    document = recipe.model_dump(mode="json")
    document["stages"][section] |= values
    return Recipe.model_validate(document)
