"""A decoder's artifact reads a prompt, adds tokens as torch does, and holds its weights once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgewright.errors import ExportError, InputError
from edgewright.measure.generating import generate_here
from edgewright.measure.prompts import Decoding, prompt_of
from edgewright.runtimes.decoder_input import decoder_input, generating_input
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Array, Call, Signature
from tests import tiny_decoders
from tests.runtimes.tiny_decoder import (
    CACHE,
    CACHE_SHAPE,
    CONTEXT,
    GENERATION,
    PREFILL_SIZES,
    VOCABULARY,
    decoder_file,
    greedy,
    tiny_decoder,
    tiny_input,
)

IN_PROCESS = [name for name, runtime in RUNTIMES.items() if runtime.session is not None]
PROMPTS = [[1, 2, 3, 4], list(range(20, 36)), [5, 99, 7, 50], [1, 2, 3, 4]]
TOKENS = 32
Run = Callable[[Call], dict[str, Array]]


def asked(signature: Signature, ids: list[int], position: int, *, reset: bool = False) -> Call:
    plan = signature.generation
    assert plan is not None
    method = signature.method(plan.decode if len(ids) == 1 else plan.prefill)
    dtype = method.inputs[0].dtype
    inputs = {plan.ids: np.array([ids], dtype=dtype), plan.position: np.array([position], dtype=dtype)}
    return replace(method.call(inputs), reset=reset)


def written(run: Run, signature: Signature, prompt: list[int], count: int = TOKENS) -> list[int]:
    logits = run(asked(signature, prompt, 0))["logits"]
    tokens: list[int] = []
    for place in range(count):
        assert logits.shape == (1, VOCABULARY)
        tokens.append(int(logits.argmax()))
        logits = run(asked(signature, tokens[-1:], len(prompt) + place))["logits"]
    return tokens


@pytest.mark.slow
@pytest.mark.parametrize("runtime", IN_PROCESS)
def test_an_artifact_writes_token_for_token_what_torch_does_and_the_same_whatever_came_before(runtime: str) -> None:
    signature = tiny_input(runtime).signature
    session = RUNTIMES[runtime].session
    assert session is not None
    run, model = session(decoder_file(runtime), signature), tiny_decoder()
    wanted = [greedy(model, prompt, TOKENS) for prompt in PROMPTS]
    assert [written(run, signature, prompt) for prompt in PROMPTS] == wanted
    assert [written(run, signature, prompt) for prompt in reversed(PROMPTS)] == wanted[::-1]
    assert len({tuple(tokens) for tokens in wanted}) == len(PROMPTS) - 1


@pytest.mark.slow
@pytest.mark.parametrize("runtime", IN_PROCESS)
def test_a_call_that_resets_finds_an_empty_cache(runtime: str) -> None:
    signature = tiny_input(runtime).signature
    session = RUNTIMES[runtime].session
    assert session is not None
    run = session(decoder_file(runtime), signature)
    first = run(asked(signature, [7], 9))["logits"]  # it sees eight rows of zeros
    run(asked(signature, [1, 2, 3, 4], 0))
    assert not np.array_equal(run(asked(signature, [7], 9))["logits"], first)
    assert np.array_equal(run(asked(signature, [7], 9, reset=True))["logits"], first)


@pytest.mark.parametrize("runtime", IN_PROCESS)
def test_a_signature_says_all_that_generation_needs_and_where_the_cache_is_held(runtime: str) -> None:
    signature = tiny_input(runtime).signature
    described, plan = RUNTIMES[runtime], signature.generation
    assert plan is not None
    assert (plan.context, plan.vocabulary) == (CONTEXT, VOCABULARY)
    assert signature.state_bytes == 2 * 4 * int(np.prod(CACHE_SHAPE))
    assert (signature.buffers, signature.state) == ((CACHE, ()) if described.keeps_buffers else ((), CACHE))
    assert (plan.prefill == plan.decode) == described.single_method
    assert signature == Signature.model_validate_json(signature.model_dump_json())
    axis = signature.method(plan.prefill).axes["length"]
    assert (axis.most, axis.buckets) == (PREFILL_SIZES[-1], PREFILL_SIZES if described.fixed_shapes else ())


def test_a_runtime_that_cannot_write_a_cache_is_refused_with_those_that_can() -> None:
    with pytest.raises(
        InputError, match="tflite has no operator that writes rows of a cache; use executorch or litert"
    ):
        tiny_input("tflite")


def test_a_prompt_is_read_by_as_many_ids_as_the_context_has_where_that_is_shorter() -> None:
    short = GENERATION.model_copy(update={"context": 12})
    for sizes, most in (((4, 16), 4), ((16,), 12)):
        made = decoder_input(tiny_decoder(), short, CACHE, RUNTIMES["executorch"], prefill_sizes=sizes)
        assert made.signature.methods[0].axes["length"].most == most


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "scheme"), [("executorch", "float"), ("executorch", "int8"), ("litert", "int8")])
def test_the_methods_share_their_weights(runtime: str, scheme: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file of two methods is hardly larger than one of one, beside what their weights take."""
    folder = tmp_path_factory.mktemp("shared")
    sizes = {}
    model = tiny_decoder()
    model.layers[0].gate, model.layers[0].up = (nn.Linear(32, 20_000, bias=False) for _ in range(2))
    model.layers[0].down = nn.Linear(20_000, 32, bias=False)
    described = RUNTIMES[runtime]
    whole = decoder_input(model, GENERATION, CACHE, described, prefill_sizes=(4,))
    one = whole.signature.model_copy(update={"methods": whole.signature.methods[1:], "generation": None})
    for name, signature in (("both", whole.signature), ("one", one)):
        source = type(whole)(module=whole.module, signature=signature, place=whole.place)
        file = folder / f"{name}.float"
        described.write_float(source, file)
        if scheme == "int8":
            described.write_int8(source, file, folder / name, Int8())
            file = folder / name
        sizes[name] = file.stat().st_size
    weights = 3 * 20_000 * 32 * (4 if scheme == "float" else 1)
    assert sizes["one"] > weights
    assert sizes["both"] < sizes["one"] + 0.1 * weights


def test_a_module_that_gives_no_cache_is_no_decoder(tmp_path: Path) -> None:
    class Forgetful(nn.Module):
        def forward(self, ids: object, position: object, cache_k: object, cache_v: object) -> object:
            return tiny_decoder()(ids, position, cache_k, cache_v)[0]

    with pytest.raises(ExportError):
        RUNTIMES["executorch"].write_float(
            decoder_input(Forgetful(), GENERATION, CACHE, RUNTIMES["executorch"]), tmp_path / "model.pte"
        )


WRITERS = {"llama with one table": "litert", "mistral with a window": "onnx", "gpt2": "executorch"}


@pytest.mark.slow
@pytest.mark.parametrize("variant", WRITERS)
def test_a_model_of_each_family_writes_what_it_does_without_a_cache(variant: str, tmp_path: Path) -> None:
    runtime, model = RUNTIMES[WRITERS[variant]], tiny_decoders.decoder(variant)
    source = generating_input(model, runtime, context=48, stop=(3,), prefill_sizes=(4,))
    file = tmp_path / runtime.file_name
    runtime.write_float(source, file)
    asked = [prompt_of(ids, source.signature, Decoding(max_tokens=TOKENS)) for ids in ([5, 6, 7], list(range(20, 31)))]
    found = generate_here(runtime.name, file, source.signature, asked).texts
    for prompt, text in zip(asked, found, strict=True):
        ids = list(prompt.ids)
        while len(ids) < len(prompt.ids) + len(text.tokens):
            with torch.no_grad():
                ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
        assert list(text.tokens) == ids[len(prompt.ids) :]
        assert len(text.tokens) == TOKENS or text.tokens[-1] == 3


def test_a_context_beyond_what_the_model_was_made_for_is_refused() -> None:
    with pytest.raises(InputError, match=r"a context of 65 is asked for, and the model has 1 to 64 positions"):
        generating_input(tiny_decoders.decoder("llama"), RUNTIMES["executorch"], context=65)


def test_a_model_that_does_not_generate_is_refused() -> None:
    with pytest.raises(InputError, match="of no family that Edgewright knows"):
        generating_input(nn.Linear(2, 2), RUNTIMES["executorch"], context=8)


def test_a_draft_is_verified_by_a_method_of_its_own_where_files_have_several() -> None:
    model = tiny_decoders.decoder("llama")
    made = generating_input(model, RUNTIMES["litert"], context=16, prefill_sizes=(4,), verify_tokens=3).signature
    plan, verify = made.generation, made.method("verify")
    assert plan is not None
    assert (plan.verify, made.verified_ids) == ("verify", 4)
    assert [each.shape for each in (*verify.inputs, *verify.outputs)] == [(4, 1), (1,), (4, tiny_decoders.VOCABULARY)]
    assert Signature.model_validate(made.model_dump(mode="json")) == made
    plain = generating_input(model, RUNTIMES["litert"], context=16, prefill_sizes=(4,)).signature
    assert "verify" not in plain.model_dump(mode="json")["generation"]
    with pytest.raises(InputError, match="onnx has one method in a file and none that verifies a draft"):
        generating_input(model, RUNTIMES["onnx"], context=16, verify_tokens=3)
    with pytest.raises(InputError, match="16 tokens of a draft are to be verified at once, and a context of 16"):
        generating_input(model, RUNTIMES["litert"], context=16, verify_tokens=16)
