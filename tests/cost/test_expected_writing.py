"""What writers were expected to take stands beside what they took, and teaches nothing about models of one call."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.bundles.schema import ArtifactFacts
from edgewright.cost.expected import NoExpectation, expected, learn_from
from edgewright.cost.expected_writing import WritingExpectation, expected_writing
from edgewright.forecast.prediction import predictions
from edgewright.specs.profiles import load_profile
from tests.forecast import writers
from tests.measure.generation_examples import generation_measurement

BOARD = "raspberry-pi-4"


def artifact(place: Path, **changes: Any) -> ArtifactFacts:
    return writers.bundle(place, **changes).artifact("executorch")


def test_it_is_what_predict_says_of_the_same_prompts(tmp_path: Path) -> None:
    bundle = writers.bundle(tmp_path)
    measured = generation_measurement()
    found = expected_writing(bundle.artifact("executorch"), measured, BOARD)
    assert isinstance(found, WritingExpectation)
    said, _ = predictions(bundle, load_profile(BOARD), threads=measured.threads)
    assert said.runtime == "executorch"
    assert said.writing is not None
    assert found.writing.rates == said.writing.rates
    assert set(said.writing.first_tokens) <= set(found.writing.first_tokens)
    assert found.token.latency_ms == said.prediction.latency_ms
    assert {each.prompt_tokens for each in found.writing.first_tokens} >= set(measured.workload.prompts)
    document: Any = found.document()
    assert (document["profile"], document["latency_ms"]) == (BOARD, found.token.latency_ms)
    assert document["writing"]["rates"][-1]["context"] == writers.CONTEXT


def test_nothing_is_learned_from_it(tmp_path: Path) -> None:
    measured = generation_measurement()
    found = expected_writing(artifact(tmp_path), measured, BOARD)
    assert found is not None
    assert not learn_from({**measured.document(), "predicted": found.document()})


def test_where_nothing_can_be_said_the_reason_is(tmp_path: Path) -> None:
    found = expected_writing(artifact(tmp_path), generation_measurement(), "no-such-board")
    assert isinstance(found, NoExpectation)
    assert "no-such-board" in found.reason
    old = artifact(tmp_path / "old", decode_structure=None)
    assert expected_writing(old, generation_measurement(), BOARD) is None


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_model_that_writes_is_expected_by_its_own_terms_alone(runtime: str, tmp_path: Path) -> None:
    given = writers.bundle(tmp_path).artifact(runtime)
    assert expected(given, generation_measurement(), BOARD, longest=writers.CONTEXT) is None
    assert expected_writing(given, generation_measurement(), BOARD) is not None
