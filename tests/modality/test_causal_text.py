"""Models and texts that cannot be had are refused by name, in one sentence, before anything is made."""

import json
import shutil
from pathlib import Path

import pytest

from edgewright.errors import BadDataError, BadModelError, InputError, ToolchainError, UnsupportedModelError
from edgewright.modality.causal_text import CAUSAL_TEXT
from edgewright.specs.recipe import Recipe
from tests import tiny, tiny_decoders
from tests.stages import builds, writing_builds

pytestmark = pytest.mark.usefixtures("own_places")


def refused(recipe: Recipe, error: type[ToolchainError], why: str) -> None:
    """Nothing is made of it."""
    with pytest.raises(error, match=why) as caught:
        builds.pipeline.build(recipe, builds.PROFILE, Path("never"))
    assert "\n" not in str(caught.value)
    assert not Path("never").exists()


def with_model(folder: Path, tmp_path: Path) -> Recipe:
    return writing_builds.recipe(writing_builds.documents(tmp_path), model={"folder": folder})


def altered(tmp_path: Path, name: str, **changes: object) -> Path:
    """A copy of the tiny decoder's folder with another side file."""
    folder = tmp_path / "model"
    shutil.copytree(writing_builds.teacher(), folder)
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    refused(
        with_model(altered(tmp_path, "config.json", model_type="gpt_neox"), tmp_path), UnsupportedModelError, "gpt_neox"
    )


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    refused(with_model(tiny.bert_folder(), tmp_path), UnsupportedModelError, "bert")


def test_an_unknown_pre_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = altered(tmp_path, "tokenizer.json", pre_tokenizer={"type": "UnicodeScripts"})
    refused(with_model(folder, tmp_path), UnsupportedModelError, "without a ByteLevel pre-tokenizer")


def test_a_chat_template_that_is_code_is_refused(tmp_path: Path) -> None:
    folder = altered(tmp_path, "tokenizer_config.json", chat_template="{{ messages.__class__ }}")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    refused(with_model(folder, tmp_path), UnsupportedModelError, "a chat template that is code")


def test_rows_and_caches_longer_than_the_model_reads_are_refused(tmp_path: Path) -> None:
    data = writing_builds.documents(tmp_path)
    most = tiny_decoders.POSITIONS
    refused(
        writing_builds.recipe(data, task={"max_length": most + 1}),
        InputError,
        rf"task\.max_length is {most + 1}, but the model reads at most {most} tokens",
    )
    refused(
        writing_builds.recipe(data, export={"context": most + 1}),
        InputError,
        rf"stages\.export\.context is {most + 1}, but the model reads at most {most} tokens",
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "holds no text|is empty"), (b"caf\xe9 au lait\n", "UTF-8"), (b"\n \n", "holds no text|is empty")],
)
def test_a_file_without_text_or_of_other_bytes_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes(content)
    refused(writing_builds.recipe(file), BadDataError, why)


def test_a_table_without_the_prompts_column_is_refused(tmp_path: Path) -> None:
    file = builds.write(
        tmp_path / "pairs.csv", [("question", "completion"), *[(f"q {n}", f"a {n}") for n in range(20)]]
    )
    recipe = writing_builds.recipe(file, task={"kind": "text-generation"})
    refused(recipe, BadDataError, "prompt")


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = altered(tmp_path, "config.json")
    (folder / "tokenizer.json").write_text("{")
    refused(with_model(folder, tmp_path), BadModelError, r"tokenizer\.json")


def test_it_says_what_a_teacher_is_loaded_for(tmp_path: Path) -> None:
    recipe = writing_builds.recipe(writing_builds.documents(tmp_path))
    assert CAUSAL_TEXT.loading(recipe)["positions"] == writing_builds.CONTEXT
