"""Cutting a student to sizes, to a share of the products or to a speed-up, as a stage."""

from pathlib import Path

import pytest

from edgewright.models.text import outputs
from tests.stages.builds import (
    CUTTING,
    PROFILE,
    READING,
    WHOLE,
    WIDTH,
    cosine_with_the_teacher,
    encoder_of,
    made_of,
    model_of,
    plan,
    recipe,
    student_of,
    tokenizer_of,
)

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_a_narrower_student_gives_embeddings_of_the_teachers_size(paired: Path) -> None:
    lesson = {"relation_weight": 1.0}
    given = plan(recipe("embedding", paired, prune={"width": 24, "head_width": 4}, distill=lesson))
    made = student_of(given)
    model = model_of(made["distill"])
    assert (model.encoder.shape.width, model.head.shape.projected) == (24, WIDTH)
    assert {layer.head_width for layer in model.encoder.shape.layers} == {8}  # the device likes channels by eights
    rows = tokenizer_of(given, made["vocabulary"]).encode(["rain and snow"])
    assert outputs(model, rows).shape == (1, WIDTH)
    assert made["distill"].findings["drift"] == []  # nothing to compare where the widths differ
    assert made["distill"].findings["losses"][-1] < made["distill"].findings["losses"][0]


def test_a_speedup_is_searched_for_by_the_prices_of_the_profile(paired: Path) -> None:
    given = recipe("embedding", paired, prune={**WHOLE, "speedup": 2.0})
    found = student_of(plan(given))["prune"].findings
    assert 0 < found["searched_ms"] <= found["of_ms"] / 2
    assert PROFILE.name in found["prices"]
    assert all(layer["neurons"] % PROFILE.preferences.int8_channel_multiple.value == 0 for layer in found["layers"])
    teacher = encoder_of(student_of(plan(given))["teacher"]).shape.layers
    assert sum(layer["neurons"] for layer in found["layers"]) < sum(layer.neurons for layer in teacher)


def test_a_search_keeps_no_more_layers_than_are_asked_for(paired: Path) -> None:
    every, one = (
        student_of(plan(recipe("embedding", paired, prune={**WHOLE, "speedup": 1.5, "layers": most})))["prune"].findings
        for most in (None, 1)
    )
    assert len(every["layers"]) > 1
    assert len(one["layers"]) == 1
    assert one["searched_ms"] <= one["of_ms"] / 1.5


def test_a_search_is_made_anew_for_a_device_with_other_prices(paired: Path) -> None:
    given = recipe("embedding", paired, prune={**WHOLE, "speedup": 2.0})
    student_of(plan(given))
    gops = PROFILE.processor.int8_peak_gops
    processor = PROFILE.processor.model_copy(
        update={"int8_peak_gops": gops.model_copy(update={"value": gops.value / 1000})}
    )
    slower = PROFILE.model_copy(update={"processor": processor})
    cached = {name: done.result.cached for name, done in student_of(plan(given, profile=slower)).items()}
    assert [name for name, kept in cached.items() if not kept] == ["prune", "low rank", "distill"]


def test_one_student_of_given_sizes_serves_two_devices_and_is_priced_for_each(paired: Path) -> None:
    here = student_of(plan(recipe("embedding", paired)))["distill"]
    memory = PROFILE.memory
    bandwidth = memory.copy_bandwidth_gb_s
    slower = PROFILE.model_copy(
        update={
            "memory": memory.model_copy(
                update={"copy_bandwidth_gb_s": bandwidth.model_copy(update={"value": bandwidth.value / 1e4})}
            )
        }
    )
    there = student_of(plan(recipe("embedding", paired), profile=slower))["distill"]
    assert there.result.cached
    assert there.findings["predicted_layers_ms"] > here.findings["predicted_layers_ms"]


def test_a_global_ranking_gives_layers_what_they_deserve_and_no_more_in_all(paired: Path) -> None:
    sizes = {"layers": 3, "heads": 2, "neurons": 32, "importance": "fisher"}
    found = student_of(plan(recipe("embedding", paired, prune={**sizes, "ranking": "global"})))["prune"].findings
    assert sum(layer["heads"] for layer in found["layers"]) == 3 * 2
    assert sum(layer["neurons"] for layer in found["layers"]) == 3 * 32
    uniform = student_of(plan(recipe("embedding", paired, prune=sizes)))["prune"].findings
    assert [layer["neurons"] for layer in uniform["layers"]] == [32] * 3
    assert found["layers"] != uniform["layers"]


@pytest.mark.parametrize(("layers", "kept"), [(2, [0, 2]), ([1, 2], [1, 2]), ([0], [0])])
def test_a_gradual_cut_is_taught_between_and_ends_at_the_teachers_layers_of_one_single_cut(
    paired: Path, layers: int | list[int], kept: list[int]
) -> None:
    sizes = {"layers": layers, "heads": 2, "neurons": 16}
    made = made_of(plan(recipe("embedding", paired, prune={**sizes, "steps": 2}, distill={"epochs": 1})))
    assert [done.name for done in made] == [*READING, *CUTTING, "teach", "distill", *CUTTING, "low rank", "distill"]
    between, last = (done.findings["layers"] for done in made if done.name == "prune")
    assert all(16 < layer["neurons"] < 64 for layer in between)
    assert last == [{"from_layer": layer, "heads": 2, "neurons": 16} for layer in kept]
    assert set(kept) <= {layer["from_layer"] for layer in between}
    assert [each["from_layer"] for each in made[-1].findings["drift"]] == kept
    assert len(made[-1].findings["losses"]) > 0


def test_a_share_of_the_arithmetic_is_the_same_goal_in_one_step_and_in_two(paired: Path) -> None:
    parts = {}
    for steps in (1, 2):
        changes = {**WHOLE, "keep_macs": 0.25, "steps": steps}
        given = plan(recipe("embedding", paired, prune=changes, distill={"epochs": 1}))
        layers = student_of(given)["prune"].findings["layers"]
        # A head has 4 × 8 × 32 weights, a neuron 2 × 32.
        parts[steps] = sum(1024 * layer["heads"] + 64 * layer["neurons"] for layer in layers)
    whole = 3 * (1024 * 4 + 64 * 64)
    assert parts[1] == pytest.approx(0.25 * whole, rel=0.2)
    assert parts[2] == pytest.approx(parts[1], rel=0.35)  # blocks of eight neurons and whole heads, rounded twice


def test_refitting_what_is_left_brings_the_student_nearer_before_any_training(paired: Path) -> None:
    sizes = {"layers": 3, "heads": 3, "neurons": 16}
    cosines = {
        refitted: cosine_with_the_teacher(
            plan(recipe("embedding", paired, prune={**sizes, "reconstruct": refitted})), "prune"
        )
        for refitted in (False, True)
    }
    assert cosines[False] < cosines[True]
    assert 1 - cosines[True] < 0.7 * (1 - cosines[False])
