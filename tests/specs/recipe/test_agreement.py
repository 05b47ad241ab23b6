"""What the sections of a recipe say of each other."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.specs.recipe import load_recipe
from edgewright.tasks.embedding import EMBEDDING
from tests.specs.recipe.faults import MINIMAL, faults


def test_training_is_measured_in_the_unit_of_the_tasks_own_examples(toml_file: Callable[[str], Path]) -> None:
    found = faults(toml_file, MINIMAL + "[stages.distill]\ntrain_images = 5000\n")
    assert "is not for embedding, whose training is measured by train_tokens" in "".join(found.values())
    images = MINIMAL.replace("embedding", "image-classification").replace("stdlib-search", "digits")
    images += "[stages.distill]\ntrain_tokens = 5000\n"
    assert "whose training is measured by train_images" in "".join(faults(toml_file, images).values())


def test_faults_between_sections_come_with_the_others(toml_file: Callable[[str], Path]) -> None:
    text = MINIMAL.replace("embedding", "classification") + "[budget]\nartifact_mb = 0\n"
    assert faults(toml_file, text) == {
        "line 9, data.builtin": "stdlib-search is for embedding, but task.kind is classification",
        "line 11, budget.artifact_mb": "must be more than 0, not 0",
    }


def test_a_projection_of_what_is_no_embedding_is_refused_with_its_line(toml_file: Callable[[str], Path]) -> None:
    text = MINIMAL + "[stages.distill]\nprojection = true\n"
    assert load_recipe(toml_file(text)).stages.distill.projection
    found = faults(toml_file, text.replace('"embedding"', '"classification"').replace("search", "packages"))
    assert found == {
        "line 11, stages.distill.projection": "is for embedding; classification does not read it: its head has a "
        "matrix of its own"
    }


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_pairs_of_texts_are_refused_by_name_for_a_model_of_one_text(
    toml_file: Callable[[str], Path], kind: str
) -> None:
    needed = {"classification": "label", "regression": "value"}[kind]
    columns = f'file = "a.csv"\ncolumns = {{ pair = "second", {needed} = "l" }}'
    text = MINIMAL.replace("embedding", kind).replace('builtin = "stdlib-search"', columns)
    (said,) = faults(toml_file, text).values()
    assert said.startswith(
        f"is for embedding: a model for {kind} is given one text, and pairs of texts are not supported"
    )
    assert "write both into one column" in said


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("image-classification", 'folder = "pictures"\ncolumns = { label = "l" }', "a folder of images has none"),
        ("image-classification", 'train = "a"\ntest = "b"\ncolumns = { image = "i" }', "a folder of images has none"),
        (
            "token-classification",
            'file = "a.conll"\ncolumns = { tags = "t" }',
            "a file of words and tags a line has none",
        ),
    ],
)
def test_columns_of_what_has_none_are_refused(
    toml_file: Callable[[str], Path], kind: str, data: str, said: str
) -> None:
    text = MINIMAL.replace("embedding", kind).replace('builtin = "stdlib-search"', data)
    assert said in faults(toml_file, text)[next(iter(faults(toml_file, text)))]
    tables = text.replace('"pictures"', '"p.csv"').replace('folder = "p', 'file = "p')
    for name in ("a", "b"):
        tables = tables.replace(f'"{name}"', f'"{name}.csv"')
    assert load_recipe(toml_file(tables.replace("a.conll", "a.jsonl"))).data.columns


@pytest.mark.parametrize("name", ["first_token_ms", "tokens_per_second", "context"])
def test_limits_of_models_that_generate_are_refused_for_one_that_does_not(
    toml_file: Callable[[str], Path], name: str
) -> None:
    (place, said), *others = faults(toml_file, MINIMAL + f"[budget]\n{name} = 64\n").items()
    assert not others
    assert place == f"line 11, budget.{name}"
    assert said.startswith("is of models that generate text, which those for embedding do not")


def test_a_latency_of_one_inference_is_refused_for_a_model_that_writes_token_by_token(
    toml_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EMBEDDING, "generates", True, raising=False)
    found = faults(toml_file, MINIMAL + "[budget]\nlatency_ms = 10\n")
    assert found == {
        "line 11, budget.latency_ms": "is of one inference, and embedding writes token by token: set first_token_ms "
        "and tokens_per_second"
    }
    text = MINIMAL + "[budget]\nfirst_token_ms = 200\ntokens_per_second = 12.5\ncontext = 256\n"
    assert load_recipe(toml_file(text)).budget.context == 256
