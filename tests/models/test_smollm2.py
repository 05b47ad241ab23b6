"""SmolLM2-135M itself, out of the package that carries it: the same logits, ids and words as its own library's."""

from functools import cache

import pytest
import torch

from edgewright.data import docstrings
from edgewright.models import decoder_teacher, factories
from edgewright.models.decoder_teacher import DecoderTeacher
from edgewright.models.decoding import CachedDecoder
from edgewright.models.gguf_files import read_facts, read_gguf, tokenizer_of
from edgewright.specs.recipe import ModelSource
from tests import tiny_bpe

CONTEXT = 96


@cache
def teacher() -> DecoderTeacher:
    return decoder_teacher.load(ModelSource(factory="edgewright.models.factories:smollm2_135m"), max_length=256)


@pytest.mark.slow
@torch.inference_mode()
def test_it_is_read_exactly_and_goes_on_sensibly() -> None:
    read = teacher()
    assert read.parameters_count == read.model.parameters_count == 134_515_008
    assert [layer.groups for layer in read.model.shape.layers] == [3] * 30
    assert (read.ends, read.before) == ((2,), ())
    assert "de-quantised into float32" in read.notes[0]
    assert read.chat_template is not None
    messages = [{"role": "user", "content": "Hello"}]
    assert read.chat_template.write(messages).endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
    assert read.reference is not None
    texts = ["The", "The capital of France is", *tiny_bpe.docstrings()[:300:60]]
    compared = read.reference.compare(texts)
    assert compared.greatest_difference < 1e-3  # of logits up to 40
    ids = list(read.tokenizer.encode(["The capital of France is"])[0].ids)
    cached, state = (
        CachedDecoder(read.model, context=CONTEXT),
        [torch.zeros(size) for _, size in read.model.shape.state(CONTEXT)],
    )
    logits, *state = cached(torch.tensor([ids]), torch.tensor([0]), *state)
    said = [int(logits.argmax())]
    for place in range(len(ids), len(ids) + 6):
        logits, *state = cached(torch.tensor([said[-1:]]), torch.tensor([place]), *state)
        said.append(int(logits.argmax()))
    assert read.tokenizer.decode(said[:1]) == " Paris"
    whole = read.model(torch.tensor([ids + said[:-1]]))[0, len(ids) - 1 :].argmax(dim=-1)
    assert whole.tolist() == said


@pytest.mark.slow
def test_it_is_its_library_s_word_for_word() -> None:
    file = read_facts(factories.SMOLLM2.file(factories.SMOLLM2_FILE, purpose="test"))
    theirs = tokenizer_of(file)
    texts = [each.body for each in docstrings.standard_library()[:1000]]
    for text, row in zip(texts, teacher().tokenizer.encode(texts), strict=True):
        assert list(row.ids) == theirs(text)["input_ids"][:256]
    with torch.inference_mode():
        prompt = theirs("The capital of France is", return_tensors="pt")
        found = read_gguf(file).generate(**prompt, max_new_tokens=3, do_sample=False)
    assert theirs.decode(found[0]).startswith("The capital of France is Paris")
