"""A model as it is read beside its own library: the same for every family, and told where it is not."""

from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.errors import ModelError, UnsupportedModelError
from edgewright.models import teacher as teachers
from edgewright.models.reference import Reference, require_repeatable, some_of
from edgewright.specs.recipe import ModelSource
from tests import tiny

TEXTS = ["rain", *tiny.sentences(5), "the cold wind and the snow " * 12]


@pytest.mark.parametrize("family", tiny.CLASSES)
@pytest.mark.parametrize(
    ("kind", "head", "labels", "what"),
    [
        ("vector", "Model", [], "vectors of tokens"),
        ("labels", "ForSequenceClassification", ["c", "b", "a"], "outputs"),
        ("labels", "ForSequenceClassification", ["x", "y", "z"], "vectors of tokens"),
        ("token labels", "ForTokenClassification", ["b", "c", "a"], "outputs"),
    ],
)
def test_every_family_gives_what_transformers_gives_on_short_and_long_texts(
    tmp_path: Path, family: str, kind: str, head: str, labels: list[str], what: str
) -> None:
    changes: dict[str, Any] = {"num_labels": 3, "id2label": dict(enumerate("abc"))} if labels else {}
    folder, _ = tiny.family_folder(tmp_path, family, head, **changes)
    source = ModelSource(folder=folder)
    teacher = teachers.load(source, head=kind, labels=labels, max_length=tiny.MAX_LENGTH)
    assert teacher.reference is not None
    compared = teacher.reference.compare(TEXTS)
    assert compared.what == what
    assert compared.greatest_difference < 1e-4 < compared.greatest_output


def test_a_factorys_model_that_computes_otherwise_than_its_class_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = tiny.factory()

    class Doubled(type(model)):  # type: ignore[misc]
        def forward(self, *given: Any, **named: Any) -> Any:
            found = super().forward(*given, **named)
            found.last_hidden_state = 2 * found.last_hidden_state
            return found

    model.__class__ = Doubled
    monkeypatch.setattr(tiny, "factory", lambda: (model, tokenizer))
    teacher = teachers.load(ModelSource(factory="tests.tiny:factory"), max_length=tiny.MAX_LENGTH)
    assert teacher.reference is not None
    with pytest.raises(ModelError, match=r"differs from transformers \S+ by up to \S+ in its vectors of tokens"):
        teacher.reference.compare(TEXTS)


def test_other_numbers_of_outputs_and_outputs_that_are_no_numbers_are_told() -> None:
    def reference(theirs: torch.Tensor, ours: torch.Tensor) -> Reference:
        return Reference(library="theirs 1", what="outputs", theirs=lambda given: theirs, ours=lambda given: ours)

    with pytest.raises(ModelError, match=r"theirs 1 makes outputs of \(3,\) numbers and Edgewright \(2,\)"):
        reference(torch.ones(3), torch.ones(2)).compare(["a"])
    with pytest.raises(ModelError, match="differs from theirs 1 by up to nan"):
        reference(torch.ones(2), torch.full((2,), torch.nan)).compare(["a"])
    with pytest.raises(ModelError, match=r"by up to 0\.01"):
        reference(torch.ones(2), torch.full((2,), 1.01)).compare(["a"])
    assert reference(torch.ones(2), torch.full((2,), 1 + 1e-6)).compare(["a"]).greatest_difference < 2e-6


def test_the_texts_that_are_compared_are_of_all_lengths_and_spell_no_special_tokens() -> None:
    texts = [f"{'word ' * count}{'[PAD]' if count % 2 else ''}" for count in range(1, 60)]
    chosen = some_of(texts, ["[PAD]"])
    assert len(chosen) == 8
    assert not any("[PAD]" in text for text in chosen)
    assert (len(chosen[0].split()), len(chosen[-1].split())) == (2, 58)
    assert some_of(["[PAD]"], ["[PAD]"]) == ["[PAD]"]


def test_a_difference_within_rounding_between_two_runs_is_none() -> None:
    runs = iter([torch.ones(3), torch.ones(3) + 1e-7])
    require_repeatable(lambda: next(runs), "the model")
    runs = iter([torch.ones(3), torch.ones(3) + 1e-3])
    with pytest.raises(
        UnsupportedModelError, match=r"the model, which answers the same input twice .* differ by 0\.001"
    ):
        require_repeatable(lambda: next(runs), "the model")
