"""Signatures: what a call may hold, how it is filled up to a bucket, and what is refused by name."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from edgewright.errors import InputError, RunnerError
from edgewright.specs.signature import Axis, Method, Signature, Tensor

LENGTH = Axis(name="length", least=2, most=32, buckets=(8, 16, 32))
TAGGER = Method(
    name="forward",
    inputs=(Tensor(name="ids", dtype="int32", shape=(1, LENGTH)), Tensor(name="scale", dtype="float32")),
    outputs=(Tensor(name="output", dtype="float32", shape=(1, LENGTH, 3)), Tensor(name="total", dtype="float32")),
)


def inputs(length: int = 5, **others: Any) -> dict[str, Any]:
    return {"ids": np.ones((1, length), np.int32), "scale": np.float32(2).reshape(()), **others}


def test_a_call_is_filled_up_to_the_smallest_bucket_that_holds_it_and_its_output_is_cut_again() -> None:
    call = TAGGER.call(inputs(9))
    assert (call.entry, call.sizes) == ("forward_length_16", {"length": 9})
    assert call.inputs["ids"].tolist() == [[1] * 9 + [0] * 7]
    output = np.arange(48, dtype=np.float32).reshape(1, 16, 3)
    cut = TAGGER.cut({"output": output, "total": np.float32(1).reshape(())}, call.sizes)
    assert cut["output"].shape == (1, 9, 3)
    assert cut["total"].shape == ()


def test_each_bucket_is_an_entry_of_the_file() -> None:
    assert [name for name, _ in TAGGER.entries()] == ["forward_length_8", "forward_length_16", "forward_length_32"]


def test_an_axis_that_is_free_keeps_its_size_and_names_no_entry() -> None:
    free = Method(
        name="encode",
        inputs=(Tensor(name="x", dtype="float32", shape=(Axis(name="n", most=9), 2)),),
        outputs=(Tensor(name="y", dtype="float32", shape=(2,)),),
    )
    call = free.call({"x": np.zeros((7, 2), np.float32)})
    assert (call.entry, call.inputs["x"].shape) == ("encode", (7, 2))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ids": None}, "the tensor 'ids' of the method forward is missing; give int32 .1, length."),
        ({"idz": np.zeros(1)}, "takes no 'idz'; it takes ids, scale"),
        ({"ids": np.ones((1, 5), np.int64)}, "takes int32, not int64"),
        ({"ids": np.ones((1, 33), np.int32)}, "takes 2 to 32 along the axis length, not 33"),
        ({"ids": np.ones((2, 5), np.int32)}, r"takes int32 \(1, length\), not \[2, 5\]"),
        ({"ids": np.ones(5, np.int32)}, "not 1 axes"),
    ],
)
def test_what_a_method_does_not_take_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    values = {name: value for name, value in {**inputs(), **given}.items() if value is not None}
    with pytest.raises(InputError, match=said):
        TAGGER.call(values)


def test_tensors_that_share_an_axis_must_agree_on_it() -> None:
    axis = Axis(name="n", most=9)
    pair = Method(
        name="forward",
        inputs=(Tensor(name="a", dtype="int8", shape=(axis,)), Tensor(name="b", dtype="int8", shape=(axis,))),
        outputs=(Tensor(name="c", dtype="int8", shape=(axis,)),),
    )
    with pytest.raises(InputError, match="has 4 along the axis n, and a tensor before it 3"):
        pair.call({"a": np.zeros(3, np.int8), "b": np.zeros(4, np.int8)})


def test_a_method_that_is_not_there_is_reported_with_those_that_are() -> None:
    with pytest.raises(InputError, match="there is no method 'decode'; there are forward"):
        Signature(methods=(TAGGER,)).method("decode")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Axis(name="n", least=5, most=4), "above its most"),
        (lambda: Axis(name="n", most=4, buckets=(4, 2)), "rising order"),
        (lambda: Axis(name="n", most=4, buckets=(2, 3)), "must be its most"),
        (lambda: Signature(methods=(TAGGER, TAGGER)), "names of their own"),
        (lambda: Signature(methods=(TAGGER.model_copy(update={"state": ("kv",)}),)), "the state 'kv'"),
        (
            lambda: Signature(methods=(TAGGER,), state=(Tensor(name="kv", dtype="int8", shape=(LENGTH,)),)),
            "fixed sizes",
        ),
    ],
)
def test_a_signature_that_contradicts_itself_is_refused(made: Any, said: str) -> None:
    with pytest.raises((ValidationError, ValueError), match=said):
        Signature.model_validate(made().model_dump())


def test_a_signature_survives_json() -> None:
    signature = Signature(
        methods=(TAGGER.model_copy(update={"state": ("kv",)}),),
        state=(Tensor(name="kv", dtype="float16", shape=(2, 4)),),
    )
    assert Signature.model_validate_json(signature.model_dump_json()) == signature


def generating(**changes: object) -> dict[str, object]:
    ids = {"name": "ids", "dtype": "int64", "shape": [1, {"name": "length", "most": 8}]}
    position = {"name": "position", "dtype": "int64", "shape": [1]}
    logits = {"name": "logits", "dtype": "float32", "shape": [1, 10]}
    method = {"name": "forward", "inputs": [ids, position], "outputs": [logits], "state": ["kv"]}
    plan = {"context": 16, "vocabulary": 10, "prefill": "forward", "decode": "forward"}
    state = [{"name": "kv", "dtype": "float32", "shape": [2, 16, 4]}]
    return {"methods": [method], "state": state, "generation": plan, **changes}


def test_a_signature_that_generates_says_with_which_methods_and_what_its_state_takes() -> None:
    made = Signature.model_validate(generating(buffers=[{"name": "more", "dtype": "int8", "shape": [3]}]))
    assert made.generation is not None
    assert (made.generation.decode, made.generation.begin, made.generation.stop) == ("forward", None, ())
    assert made.state_bytes == 4 * 2 * 16 * 4 + 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decode": "decode"}, "names the method decode, which is not there"),
        ({"ids": "tokens"}, "needs tokens and position alone as inputs of the method forward"),
        ({"logits": "scores"}, "the method forward gives no scores"),
    ],
)
def test_generation_by_what_methods_do_not_have_is_refused(change: dict[str, str], said: str) -> None:
    made = generating()
    with pytest.raises(ValueError, match=said):
        Signature.model_validate({**made, "generation": {**made["generation"], **change}})  # type: ignore[dict-item]


def test_an_output_of_another_rank_than_the_signature_says_is_refused() -> None:
    output = np.zeros((8, 3), dtype=np.float32)
    with pytest.raises(RunnerError, match=r"the output output of \w+ came with the shape \[8, 3\]"):
        TAGGER.cut({"output": output, "total": np.float32(1).reshape(())}, {"length": 5})
