"""Examples that contradict each other, or stand in two parts: counted, shown and told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.base.fields import Fields
from edgewright.bundles.build_record import BuildRecord, StageRecord
from edgewright.data.agreement import Contradiction, Row, agreement_of
from edgewright.data.images import ImagePart, Images
from edgewright.data.texts import Example, Texts
from tests.stages.builds import plan, recipe, stage_of


def row(key: str, answer: str | None = None) -> Row:
    return Row(key=key, answer=answer, name=f"name of {key}")


def texts(train: list[Example], validation: list[Example] | None = None) -> Texts:
    return Texts(train=tuple(train), validation=tuple(validation or ()), test=(Example(text="other", label="x"),))


def test_examples_that_agree_have_nothing_to_tell() -> None:
    found = agreement_of({"train": [row("a", "x"), row("a", "x"), row("b", "y")], "test": [row("c", "x")]})
    assert (found.contradictory, found.contradictory_rows, found.examples, dict(found.shared)) == (0, 0, (), {})
    assert list(found.sentences("texts")) == []


def test_contradictions_are_counted_within_parts_and_across_them_the_most_frequent_first() -> None:
    found = agreement_of(
        {
            "train": [row("a", "x"), row("a", "y"), row("b", "x"), row("b", "x"), row("b", "y"), row("c", "x")],
            "validation": [row("c", "y"), row("d", "x")],
            "test": [row("d", "x"), row("e", "y")],
        }
    )
    assert (found.contradictory, found.contradictory_rows) == (3, 7)
    assert found.examples[0] == Contradiction(name="name of b", answers=("x", "y"))
    assert len(found.examples) == 3
    assert found.shared == {"train and validation": 1, "validation and test": 1}
    first, *others = found.sentences("texts")
    assert first.startswith(
        "3 texts stand in the data with different answers (7 rows), such as 'name of b' as x and as y"
    )
    assert [other.partition(":")[0] for other in others] == [
        "1 texts stand in both train and validation",
        "1 texts stand in both validation and test",
    ]


def test_many_answers_and_long_texts_are_cut_where_they_are_shown() -> None:
    rows = [Row(key="a", answer=f"label {n}", name="long " * 40) for n in range(9)]
    (only,) = agreement_of({"train": rows}).examples
    assert only.answers == ("label 0", "label 1", "label 2", "label 3", "5 more")
    assert len(only.name) == 60


def test_labels_values_and_tags_are_answers_and_pairs_are_not() -> None:
    for one, other, count in (
        ({"label": "x"}, {"label": "y"}, 1),
        ({"value": 1.0}, {"value": 2.0}, 1),
        ({"tags": ("O", "B")}, {"tags": ("O", "O")}, 1),
        ({"pair": "x"}, {"pair": "y"}, 0),
        ({"label": "x"}, {"label": "x"}, 0),
    ):
        kept: list[dict[str, Any]] = [one, other]
        assert texts([Example(text="a b", **each) for each in kept]).agreement.contradictory == count


def test_images_alike_with_different_labels_are_found_by_their_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 3, 1), dtype=np.uint8)
    pixels[1] = pixels[0]
    part = ImagePart(pixels=pixels, labels=("cat", "dog", "cat", "dog"), names=("a", "b", "c", "d"))
    none = ImagePart(pixels=pixels[:0], labels=(), names=())
    found = Images(train=part, validation=none, test=none, extra=none).agreement
    assert (found.contradictory, found.contradictory_rows) == (1, 2)
    assert found.examples == (Contradiction(name="a", answers=("cat", "dog")),)


@pytest.mark.usefixtures("own_places")
def test_a_build_tells_them_from_the_stage_that_reads_to_the_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="edgewright")
    rows = [f"some words {n},{'xy'[n % 2]}" for n in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows, "some words 4,y", "some words 4,y"]))
    done = stage_of(plan(recipe("classification", tmp_path / "rows.csv")), "texts")
    assert done.findings["agreement"]["contradictory"] == 1
    assert done.findings["agreement"]["contradictory_rows"] == 3
    assert done.findings["agreement"]["examples"] == [{"name": "some words 4", "answers": ["y", "x"]}]
    json.dumps(done.findings, allow_nan=False)
    read = StageRecord(name="texts", settings=Fields({}), findings=Fields.of(done.findings))
    (said,) = BuildRecord(stages=(read, read)).notes
    assert said in caplog.messages  # at once, too
    assert said == (
        "1 texts stand in the data with different answers (3 rows), such as 'some words 4' as y and as x: no model can "
        "answer all of these rows; correct or remove them"
    )
