"""A dataset of documents: what it gives a model, what it counts, and how it comes back with a smaller vocabulary."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgewright.data.documents import Documents, TextDocument
from edgewright.errors import InputError
from edgewright.modality import causal_dataset
from edgewright.modality.causal_dataset import CausalDataset, TextEnds
from edgewright.modality.causal_spec import CausalTextSpec
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.models.decoder_teacher import load
from edgewright.specs.recipe import Finetune, ModelSource
from tests import tiny_bpe, tiny_decoders
from tests.stages import writing_builds
from tests.stages.writing_builds import CONTEXT, LENGTH

TEXTS = [TextDocument(completion=text, source="m") for text in tiny_bpe.docstrings()[:40]]
DOCUMENTS = Documents(train=tuple(TEXTS[:30]), validation=(), test=tuple(TEXTS[30:]))


@pytest.fixture
def dataset(tmp_path: Path) -> CausalDataset:
    return CausalDataset(
        recipe=writing_builds.recipe(writing_builds.documents(tmp_path)),
        documents=DOCUMENTS,
        tokenizer=DecoderTokenizer(tiny_decoders.definition(), max_length=LENGTH),
        ends=TextEnds(begin=(2,), ends=(2,)),
    )


def test_outputs_are_of_all_tokens_of_the_part_and_name_their_documents(dataset: CausalDataset) -> None:
    model = load(ModelSource(folder=writing_builds.teacher()), max_length=CONTEXT).model
    inputs, score = dataset.held_out(), dataset.score()
    judged = dataset.as_scored(dataset.outputs(model, inputs), inputs, score)
    ids = [token for part in dataset.examples.tokens("test") for token in part.tolist()]
    assert judged.shape == (len(ids), 4)
    assert judged[:, 2].tolist() == ids
    assert sorted(set(judged[:, 3].tolist())) == list(range(len(DOCUMENTS.test)))
    expected = (
        -float(judged[:, 0].sum())
        / torch.log(torch.tensor(2.0))
        / sum(len(each.completion.encode()) for each in DOCUMENTS.test)
    )
    assert score.of(judged) == pytest.approx(float(expected), rel=1e-5)


def test_prompts_are_the_first_tokens_of_held_out_documents(dataset: CausalDataset) -> None:
    asked = dataset.asked(4)
    whole = {row.ids[: len(each.ids)] for each in asked.rows for row in dataset.held_out().rows}
    assert len(asked) == 4
    assert all(row.ids in whole and row.first == len(row.ids) > 1 for row in asked.rows)


def test_what_is_recorded_comes_back_and_stays_within_its_limit(dataset: CausalDataset, tmp_path: Path) -> None:
    settings = dataset.recipe.stages.distill.model_copy(update={"tokens": 300})
    rows = dataset.to_record(settings, tmp_path)
    assert 200 < sum(rows.sizes) <= 300
    assert dataset.recorded(tmp_path, {}) == rows
    assert rows.rows[0].document != 0 or rows.rows[1].document != 1  # not in the order of the file


def test_no_more_is_recorded_than_is_trained_on(dataset: CausalDataset, tmp_path: Path) -> None:
    settings = dataset.recipe.stages.distill
    counts = []
    for tokens, trained in ((None, 300), (300, 900), (900, 300), (None, None)):
        asked = settings.model_copy(update={"tokens": tokens, "train_tokens": trained})
        counts.append(sum(dataset.to_record(asked, tmp_path).sizes))
    assert 200 < counts[0] <= 300
    assert counts[0] == counts[1] == counts[2] < counts[3]


def test_a_sample_is_smaller_where_a_large_model_goes_over_it_often(
    dataset: CausalDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causal_dataset, "FEWEST_TOKENS", 200)
    whole = dataset.sample(30)
    assert len(dataset.sample(30, macs=1e9, passes=1)) == len(whole)
    few = dataset.sample(30, macs=1e12, passes=1000)
    assert 200 - LENGTH < sum(few.sizes) <= 200
    assert few.rows == whole.rows[: len(few)]


def test_the_spec_says_what_the_recipe_does(dataset: CausalDataset) -> None:
    spec = dataset.input_spec()
    assert isinstance(spec, CausalTextSpec)
    assert (spec.context, spec.prefill_lengths, spec.begin, spec.stop, spec.chat) == (
        CONTEXT,
        (8, 16),
        (2,),
        (2,),
        False,
    )


def test_beginnings_and_ends_are_renumbered_with_the_vocabulary(dataset: CausalDataset, tmp_path: Path) -> None:
    dataset.save_beside(tmp_path, kept=(0, 2, 7))
    assert TextEnds.load(tmp_path) == TextEnds(begin=(1,), ends=(1,))


def test_nothing_is_fitted_and_nothing_traced(dataset: CausalDataset) -> None:
    with pytest.raises(InputError, match=r"remove stages\.finetune"):
        dataset.labelled(Finetune())
    with pytest.raises(InputError, match=r"remove stages\.account\.attributions"):
        dataset.attribution(torch.nn.Identity(), dataset.held_out(), 0, lambda output: output)


def test_of_a_completion_that_no_row_holds_as_a_whole_only_the_held_bytes_count(dataset: CausalDataset) -> None:
    long, short = " ".join(tiny_bpe.docstrings()[:20]), "Short ü."
    pairs = [
        TextDocument(prompt="Say a lot.", completion=long),
        TextDocument(prompt="Say little.", completion=short),
        TextDocument(completion=long),
    ]
    answered = replace(dataset, documents=replace(DOCUMENTS, test=tuple(pairs)))
    cut, all_of_it, parted = answered.examples.counted_bytes("test")
    row = answered.held_out().rows[0]
    assert len(row.ids) == LENGTH
    assert cut == len(answered.tokenizer.decode(row.counted).encode()) < len(long.encode())
    assert all_of_it == len(short.encode())
    assert parted == len(long.encode())  # goes on in further rows
    assert float(answered.score().sizes.sum()) == cut + all_of_it + parted  # type: ignore[attr-defined]
