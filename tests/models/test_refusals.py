"""What cannot be read is refused from its configuration, before torch is so much as imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.models.refusals import IMAGES, refuse_unread, unread

LIGHT = """
import sys
from edgewright.cli.main import main

code = main(["build", sys.argv[1], "--profile", "raspberry-pi-4", "-o", "out"])
print(code, sorted({"torch", "transformers"} & set(sys.modules)))
"""


def test_a_generative_model_is_refused_before_torch_is_imported_or_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    described = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (tmp_path / "model" / "config.json").write_text(json.dumps(described))
    (tmp_path / "recipe.toml").write_text(
        '[recipe]\nname = "own"\n[model]\nfolder = "model"\n[task]\nkind = "classification"\n'
        '[data]\nfile = "absent.csv"\ncolumns = { label = "label" }\n[budget]\nartifact_mb = 5\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, tmp_path / "recipe.toml"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parent.parent.parent), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "4 []", done.stderr
    assert "a model of type llama (it generates text) is not supported" in done.stderr
    assert "let it label your texts" in done.stderr


@pytest.mark.parametrize(
    ("family", "modality", "said"),
    [
        ("deberta", "text", r"deberta \(its attention is DeBERTa's first form; .*\) is not supported"),
        ("resnet", "text", r"resnet \(it reads images\)"),
        ("patchtst", "text", r"patchtst \(it reads tables or series of numbers\)"),
        ("efficientnet", IMAGES, r"efficientnet is not supported; .* an nn\.Module by model\.factory"),
        ("roberta", IMAGES, r"roberta \(it reads texts\)"),
        ("some-new-one", "text", r"some-new-one is not supported; supported are bert"),
    ],
)
def test_each_refusal_is_one_sentence_of_what_what_instead_and_what_to_do(
    family: str, modality: str, said: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=said):
        raise unread(family, modality)
    assert str(unread(family, modality)).count("model.factory") <= 1


def test_a_configuration_without_a_type_is_told() -> None:
    with pytest.raises(BadModelError, match="names no model_type"):
        refuse_unread({"hidden_size": 3}, "text", "models/mine")
