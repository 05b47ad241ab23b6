from typing import Any

import numpy as np
import pytest

from edgewright.errors import InputError
from edgewright.runtimes.example_calls import calls_of, rows_of

TEXTS = [[1, 2, 3], [4], [5, 6]]


def ids_of(**how: Any) -> list[list[list[int]]]:
    return [call.inputs["ids"].tolist() for call in calls_of(TEXTS, **how)]


def test_examples_are_put_together_padded_and_filled_up() -> None:
    assert ids_of(runtime="executorch") == [[[1, 2, 3]], [[4]], [[5, 6]]]
    assert ids_of(runtime="executorch", batch=2) == [[[1, 2, 3], [4, 0, 0]], [[5, 6], [5, 6]]]
    calls = calls_of(TEXTS, runtime="executorch", batch=2)
    assert [(call.entry, call.elements) for call in calls] == [("batch", 6), ("batch", 4)]
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)
    pictures = calls_of(pixels, runtime="litert", batch=2)
    assert [(call.entry, call.elements) for call in pictures] == [("batch", 144)] * 3
    assert np.array_equal(pictures[2].inputs["pixels"], pixels[[4, 4]])


def test_a_runtime_of_fixed_shapes_is_given_the_smallest_that_holds_a_text() -> None:
    calls = calls_of(TEXTS, runtime="litert", lengths=(2, 4))
    assert [call.entry for call in calls] == ["forward_length_4", "forward_length_2", "forward_length_2"]
    assert [call.elements for call in calls] == [3, 1, 2]
    assert calls[0].inputs["ids"].dtype == np.int32
    assert calls[0].inputs["ids"].tolist() == [[1, 2, 3, 0]]
    assert calls_of(TEXTS, runtime="tflite", lengths=(2, 4), batch=3)[0].entry == "batch_length_4"
    with pytest.raises(InputError, match="a text has 3 ids; the artifact takes at most 2"):
        calls_of(TEXTS, runtime="litert", lengths=(2,))


@pytest.mark.parametrize("ids", [[], [-1], [2**31]])
def test_what_is_no_text_of_ids_is_refused(ids: list[int]) -> None:
    with pytest.raises(InputError, match="ids from 0 to 2147483647"):
        calls_of([ids], runtime="executorch")


def test_outputs_are_taken_apart_again_by_example() -> None:
    outputs = [{"output": np.array(rows, dtype=np.float32)} for rows in ([[1, 2], [3, 4]], [[5, 6], [5, 6]])]
    assert rows_of(outputs, batch=2, examples=3) == ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))
