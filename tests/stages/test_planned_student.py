"""A student in sizes alone, of every family: what a prediction of it rests on, and what is refused before a build."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.errors import InputError
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe, load_recipe
from edgewright.stages.planned_student import planned
from tests import tiny
from tests.stages import builds

PROFILE = load_profile("raspberry-pi-4")


def recipe(tmp_path: Path, family: str, prune: str) -> Recipe:
    tiny.family_config(family).save_pretrained(tmp_path / "model")
    file = tmp_path / "asked.toml"
    file.write_text(
        f"""
[recipe]
name = "asked"
[model]
folder = "{tmp_path / "model"}"
[task]
kind = "embedding"
max_length = 24
[data]
file = "pairs.csv"
columns = {{ pair = "answer" }}
[stages.prune]
{prune}
[stages.low_rank]
token_rank = 8
""",
        encoding="utf-8",
    )
    return load_recipe(file)


@pytest.mark.parametrize("family", tiny.CLASSES)
def test_a_student_of_every_family_is_planned_and_predicted(tmp_path: Path, family: str) -> None:
    latencies = []
    for prune in ("layers = 2\nheads = 2\nneurons = 24\nwidth = 24", "layers = 3"):
        each = planned(recipe(tmp_path, family, prune), PROFILE)
        assert each.shape.positions == 24
        structure = each.structure(padded=True)
        assert structure.weights >= each.model.parameters_count
        latencies.append(predict(Roofline(profile=PROFILE, precision="int8"), structure, length=20).latency_ms)
    assert 0 < latencies[0] < latencies[1]


def test_fewer_channels_of_heads_that_turn_in_pairs_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    asked = recipe(tmp_path, "modernbert", "layers = 2\nhead_width = 4")
    with pytest.raises(InputError, match=r"head_width asks for 4 of 8 channels, but this model's rotary positions"):
        planned(asked, PROFILE)


@pytest.mark.usefixtures("own_places")
@pytest.mark.parametrize("prune", [{}, {"width": 24, "head_width": 4}, {"layers": [0, 2], "neurons": 17, "steps": 2}])
def test_the_student_that_is_built_has_the_sizes_that_were_planned(paired: Path, prune: dict[str, Any]) -> None:
    made_from = builds.recipe("embedding", paired, prune=prune, distill={"epochs": 1})
    student = builds.model_of(builds.student_of(builds.plan(made_from))["low rank"])
    plan = planned(made_from, builds.PROFILE)
    assert plan.shape.layers == student.encoder.shape.layers
    assert plan.shape.width == student.encoder.shape.width
    assert plan.model.head.shape == student.head.shape


@pytest.mark.parametrize(
    ("kind", "labels", "outputs"),
    [
        ("regression", "", 1),
        ("classification", "", 2),
        ("classification", 'labels = ["a", "b", "c", "d", "e"]', 5),
        ("token-classification", 'labels = ["O", "B", "I"]', 3),
    ],
)
def test_a_student_that_is_planned_has_as_many_outputs_as_its_task_asks_for(
    kind: str, labels: str, outputs: int, tmp_path: Path
) -> None:
    column = {"regression": "value", "classification": "label", "token-classification": "tags"}[kind]
    recipe(tmp_path, "bert", "layers = 2")
    source = tmp_path / "asked.toml"
    text = source.read_text(encoding="utf-8").replace('"embedding"', f'"{kind}"\n{labels}')
    pairs = 'file = "pairs.csv"\ncolumns = { pair = "answer" }'
    words = ', words = "words"' if kind == "token-classification" else ""
    source.write_text(
        text.replace(pairs, f'file = "rows.jsonl"\ncolumns = {{ {column} = "answer"{words} }}'), encoding="utf-8"
    )
    assert planned(load_recipe(source), PROFILE).model.head.shape.classes == outputs
