"""Settings of models that write change what is made: prompts, what students learn, and what artifacts take."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.base.progress import Silent
from edgewright.modality.causal_dataset import CausalDataset
from edgewright.modality.causal_text import CAUSAL_TEXT
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import Recipe
from tests import tiny_bpe, tiny_decoders
from tests.stages import builds, writing_builds

pytestmark = pytest.mark.usefixtures("own_places")


def test_prompts_are_written_as_messages_where_the_recipe_says_so(tmp_path: Path) -> None:
    folder, table = tmp_path / "model", tmp_path / "pairs.jsonl"
    tiny_decoders.written(folder, "llama")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["chat_template"] = tiny_decoders.TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    rows = [{"prompt": f"question {number}", "completion": text} for number, text in enumerate(tiny_bpe.docstrings())]
    table.write_text("\n".join(map(json.dumps, rows[:60])), encoding="utf-8")
    asked = {}
    for wanted in (True, False):
        recipe = writing_builds.recipe(
            table, model={"folder": folder}, task={"kind": "text-generation", "chat_template": wanted}
        )
        place = tmp_path / str(wanted)
        place.mkdir()
        CAUSAL_TEXT.read(recipe, place, on_progress=Silent().update)
        dataset = CAUSAL_TEXT.load_teacher(recipe, place).dataset
        assert isinstance(dataset, CausalDataset)
        asked[wanted] = dataset.tokens.written("why")
    assert asked == {True: "<user>why<|end|>", False: "why"}


def test_true_tokens_are_learnt_by_their_weight(tmp_path: Path) -> None:
    data = writing_builds.documents(tmp_path)
    students = []
    for weight in (0.0, 2.0):
        build = builds.build_of(builds.plan(writing_builds.recipe(data, distill={"true_token_weight": weight})))
        students.append([file.read_bytes() for file in sorted(build.result("student").folder.glob("*.safetensors"))])
    assert students[0] != students[1]


def test_a_cache_and_how_prompts_are_read_are_those_of_the_recipe(tmp_path: Path) -> None:
    data = writing_builds.documents(tmp_path)

    def signature(**export: Any) -> Any:
        recipe: Recipe = writing_builds.recipe(data, export=export)
        folder = tmp_path / "examples"
        folder.mkdir(exist_ok=True)
        CAUSAL_TEXT.read(recipe, folder, on_progress=Silent().update)
        teacher = CAUSAL_TEXT.load_teacher(recipe, folder)
        return Subject(model=teacher.model, spec=teacher.dataset.input_spec()).for_runtime(RUNTIMES["litert"]).signature

    usual, longer, several, narrow, verifying = (
        signature(context=40),
        signature(context=44),
        signature(context=40, prefill_lengths=[4, 16]),
        signature(context=40, cache="int8"),
        signature(context=40, runtimes=["litert"], verify_tokens=3),
    )
    assert (usual.verified_ids, verifying.verified_ids) == (None, 4)
    assert (usual.generation.context, longer.generation.context) == (40, 44)
    assert longer.state_bytes * 40 == usual.state_bytes * 44
    prefills = [each.method("prefill").axes["length"].buckets for each in (usual, several)]
    assert prefills == [(8, 16), (4, 16)]
    assert narrow.state_bytes < usual.state_bytes / 2
