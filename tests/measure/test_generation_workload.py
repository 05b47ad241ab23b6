"""What an artifact is asked to write while it is timed fits its context, whatever is wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.errors import InputError
from edgewright.measure.generation_workload import without_stops, workload_of
from edgewright.specs.signature import Signature
from tests.calls import text_method
from tests.measure.generation_examples import CONTEXT, SIGNATURE


def with_context(context: int) -> Signature:
    assert SIGNATURE.generation is not None
    return SIGNATURE.model_copy(update={"generation": SIGNATURE.generation.model_copy(update={"context": context})})


def test_the_usual_lengths_are_short_typical_and_long_and_contexts_lie_near_the_start_and_the_end() -> None:
    usual = workload_of(with_context(1024))
    assert (usual.prompts, usual.contexts, usual.tokens, usual.typical) == ((16, 64, 256), (32, 1024), 16, 64)


@given(st.integers(2, 2000))
def test_every_pass_fits_the_context_and_writes_as_many_tokens_as_its_contexts_say(context: int) -> None:
    asked = workload_of(with_context(context))
    texts = asked.one_pass([5, 6, 7])
    assert len(texts) == asked.texts
    written = [len(each.ids) + each.decoding.max_tokens - 1 for each in texts]
    assert max(written) <= context
    assert sorted(written[len(asked.prompts) :]) == list(asked.contexts)
    assert [len(each.ids) for each in texts][: len(asked.prompts)] == list(reversed(asked.prompts))
    assert min(len(each.ids) for each in texts) >= 1
    assert asked.typical in asked.prompts


def test_prompts_are_made_of_the_ids_again_and_again() -> None:
    (first, *_) = workload_of(SIGNATURE, prompts=(5,), contexts=(20,)).one_pass([3, 4])
    assert first.ids == (3, 4, 3, 4, 3)


def test_the_typical_length_is_measured_beside_those_named_where_a_budget_asks_for_it() -> None:
    assert workload_of(SIGNATURE, prompts=(4,)).typical == 4
    with_budget = workload_of(SIGNATURE, prompts=(4,), typical=True)
    assert (with_budget.prompts, with_budget.typical) == ((4, CONTEXT // 2), CONTEXT // 2)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"prompts": (4, 65)}, "a prompt of 65 tokens is 1 more than the artifact's context of 64"),
        ({"contexts": (200,)}, "a context of 200 tokens is 136 more than the artifact's context of 64"),
        ({"prompts": (0,)}, "name 1 at least"),
        ({"contexts": (1,)}, "name 2 at least"),
        ({"prompts": tuple(range(1, 30))}, "29 lengths are too many"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(asked: dict[str, tuple[int, ...]], told: str) -> None:
    with pytest.raises(InputError, match=told):
        workload_of(SIGNATURE, **asked)  # type: ignore[arg-type]


def test_an_artifact_that_does_not_generate_or_holds_but_one_token_is_refused() -> None:
    with pytest.raises(InputError, match="does not generate"):
        workload_of(Signature(methods=(text_method("executorch"),)))
    with pytest.raises(InputError, match="holds one token"):
        workload_of(with_context(1))


def test_no_id_ends_a_text_that_is_timed() -> None:
    plan = without_stops(SIGNATURE).generation
    assert plan is not None
    assert plan.stop == ()
