"""What the teacher's outputs are recorded on, and which of its vectors beside them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny
from tests.stages.builds import WHOLE, plan, recipe, student_of, write

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_what_enters_the_layers_that_stay_is_recorded_and_followed_where_it_has_a_weight(paired: Path) -> None:
    drifts = []
    for weight in (0.0, 10.0):
        lesson = {"epochs": 6, "intermediate_weight": weight}
        made = student_of(plan(recipe("embedding", paired, prune={"layers": [0, 2]}, distill=lesson)))
        assert made["teach"].settings["entered"] == ([2] if weight else [])
        drifts.append(made["distill"].findings["drift"][0]["cosine"])
    without, following = drifts
    assert following > without


@pytest.mark.parametrize("prune", [{"layers": 2}, {**WHOLE, "speedup": 2.0}])
def test_layers_that_no_recipe_lists_are_followed_too(paired: Path, prune: dict[str, Any]) -> None:
    made = student_of(plan(recipe("embedding", paired, prune=prune, distill={"intermediate_weight": 1.0})))
    kept = [layer["from_layer"] for layer in made["prune"].findings["layers"]]
    assert made["teach"].settings["entered"] == kept[1:]
    assert len(np.load(made["teach"].file("intermediate.npy"))) == len(kept) - 1 > 0


def test_a_limit_of_tokens_takes_the_first_texts_only(paired: Path) -> None:
    all_of_it = student_of(plan(recipe("embedding", paired)))["teach"].findings
    limited = student_of(plan(recipe("embedding", paired, distill={"tokens": 100})))["teach"].findings
    assert limited["tokens"] <= 100 < all_of_it["tokens"]
    assert 1 <= limited["texts"] < all_of_it["texts"]
    least = student_of(plan(recipe("embedding", paired, distill={"tokens": 1})))["teach"].findings
    assert least["texts"] == 1


def test_what_is_cut_off_of_long_texts_is_taught_where_the_recipe_says_so(tmp_path: Path) -> None:
    long = [" ".join(tiny.sentences(4, seed=seed)) for seed in range(60)]
    path = write(tmp_path / "long.csv", [("text", "pair"), *((text, f"the answer {text}") for text in long)])
    asked = {}
    for rest in (False, True):
        made = plan(recipe("embedding", path, distill={"max_length": 12, "keep_overflow": rest}))
        asked[rest] = student_of(made)["teach"]
    taught = {rest: json.loads(done.file("taught.json").read_text()) for rest, done in asked.items()}
    assert taught[True][: len(taught[False])] == taught[False]
    assert asked[True].findings["texts"] == len(taught[True]) > 1.5 * len(taught[False])
    assert len(set(taught[True])) == len(taught[True])


def test_altered_copies_are_asked_and_taught_where_the_recipe_says_so(labelled: Path) -> None:
    made = {
        copies: student_of(plan(recipe("classification", labelled, distill={"augment": copies, "epochs": 1})))
        for copies in (0, 3)
    }
    plain, more = (json.loads(made[copies]["teach"].file("taught.json").read_text()) for copies in (0, 3))
    assert more[: len(plain)] == plain
    assert len(more) > 2.5 * len(plain)
    assert made[3]["distill"].findings["tokens_seen"] > 2 * made[0]["distill"].findings["tokens_seen"]
