"""Texts that spell special tokens themselves: every form of a model answers them as transformers does."""

from pathlib import Path

import pytest
import torch

from edgewright.modality.text_spec import TextInputSpec
from edgewright.models import teacher as teachers
from edgewright.models.text import TextModule, mask_of, outputs, padded
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import ModelSource
from tests import tiny
from tests.calls import answered

TEXTS = (
    "rain [PAD] snow",
    "[PAD]",
    "[PAD] [PAD] rain",
    "rain [PAD] [PAD]",
    "the [MASK] of [SEP] wind [CLS] and [UNK] [PAD] rain",
    "rain",
)
FORM = TextInputSpec(max_length=tiny.MAX_LENGTH, lengths=(16, tiny.MAX_LENGTH), batch=4)


def of_transformers() -> torch.Tensor:
    """The mean over what its own tokenizer says are tokens, normalised."""
    from transformers import AutoTokenizer

    given = AutoTokenizer.from_pretrained(tiny.bert_folder())(list(TEXTS), padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = tiny.bert()(**given).last_hidden_state
    weights = given["attention_mask"][..., None].float()
    return torch.nn.functional.normalize((hidden * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)


def test_a_text_that_spells_special_tokens_is_read_as_transformers_reads_it() -> None:
    from transformers import AutoTokenizer

    rows = tiny.tokenizer().encode(TEXTS)
    assert [list(row.ids) for row in rows] == AutoTokenizer.from_pretrained(tiny.bert_folder())(list(TEXTS))[
        "input_ids"
    ]
    assert 0 in rows[0].ids
    assert (outputs(tiny.teacher().model, rows) - of_transformers()).abs().max() < 1e-5


@pytest.mark.parametrize("length", [16, 32])
@torch.inference_mode()
def test_padding_is_what_follows_the_last_token_not_what_looks_like_it(length: int) -> None:
    rows = tiny.tokenizer().encode(TEXTS)
    exact, filled = (TextModule(tiny.teacher().model, padded=each) for each in (False, True))
    expected = torch.cat([exact(torch.tensor([row.ids])) for row in rows])
    ids = torch.zeros(len(rows), length, dtype=torch.int32)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
    alone = torch.cat([filled(row[None]) for row in ids])
    for found in (alone, filled(ids), exact(ids)):  # one by one; several at once, which are always filled up
        assert (found - expected).abs().max() < 1e-5
    assert torch.equal(
        mask_of(ids), torch.nn.functional.pad(padded(rows)[1], (0, length - max(len(r.ids) for r in rows)))
    )


@pytest.mark.parametrize(("family", "spelt"), [("roberta", "<pad>"), ("deberta-v2", "[PAD]"), ("modernbert", "[PAD]")])
@torch.inference_mode()
def test_a_spelt_padding_token_is_answered_alike_filled_up_or_not_in_other_families(
    tmp_path: Path, family: str, spelt: str
) -> None:
    folder, _ = tiny.family_folder(tmp_path, family)
    teacher = teachers.load(ModelSource(folder=folder), max_length=32)
    rows = teacher.tokenizer.encode([f"rain {spelt} snow {spelt}", f"{spelt} rain"])
    assert all(0 in row.ids for row in rows)
    exact, filled = (TextModule(teacher.model, padded=each) for each in (False, True))
    for row in rows:
        longer = torch.tensor([[*row.ids, *[0] * (32 - len(row.ids))]])
        assert (filled(longer) - exact(torch.tensor([row.ids]))).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert", "onnx"])
def test_every_artifact_answers_a_text_with_a_padding_token_in_it(tmp_path: Path, runtime: str) -> None:
    """Alone and several at once, the latter by the runner that devices have."""
    form = FORM if runtime != "onnx" else FORM.one
    subject, made_for = Subject(model=tiny.teacher().model, spec=form), RUNTIMES[runtime]
    file = tmp_path / f"float{made_for.suffix}"
    made_for.write_float(subject.for_runtime(made_for), file)
    given = [row.ids for row in tiny.tokenizer().encode(TEXTS)]
    for call in form.calls():
        assert (answered(runtime, file, call, given) - of_transformers()).abs().max() < 1e-4
