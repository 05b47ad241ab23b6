"""Where a model's files lie: in the folder that is named, in the one its modules.json names, or nowhere."""

import json
import shutil
from pathlib import Path

import pytest

from edgewright.errors import BadModelError
from edgewright.models import source as sources
from edgewright.models.source import check_tokenizer, described_in, fingerprint, local_folder, root_folder, side_file
from edgewright.specs.recipe import ModelSource
from tests import tiny
from tests.models.test_weights import adapter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(tiny.bert_folder(), tmp_path / "bert")


def test_a_folder_is_known_by_its_files_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    before = fingerprint(ModelSource(folder=folder))
    assert fingerprint(ModelSource(folder=shutil.copytree(folder, tmp_path / "elsewhere"))) == before
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    changed = fingerprint(ModelSource(folder=folder))
    (folder / "tokenizer.json").rename(folder / "words.json")
    assert len({before, changed, fingerprint(ModelSource(folder=folder))}) == 3


def test_a_hub_id_is_known_by_its_revision() -> None:
    first, second = (ModelSource(hub="an/id", revision=revision) for revision in ("a", "b"))
    assert fingerprint(first) != fingerprint(second)
    assert root_folder(first) is None


def test_a_folder_that_is_none_is_refused_with_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadModelError, match="it is a file, and a folder as save_pretrained writes one is wanted"):
        root_folder(ModelSource(folder=tmp_path / "file"))
    with pytest.raises(BadModelError, match="there is no such folder"):
        root_folder(ModelSource(folder=tmp_path / "none"))


def modules(folder: Path, path: str) -> None:
    (folder / "modules.json").write_text(
        json.dumps([{"type": "sentence_transformers.models.Transformer", "path": path}])
    )


def test_the_model_of_an_older_sentence_transformer_lies_where_its_modules_say(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    folder.rename(whole / "0_Transformer")
    modules(whole, "0_Transformer")
    source = ModelSource(folder=whole)
    assert local_folder(source) == whole / "0_Transformer"
    assert side_file(source, "modules.json") == whole / "modules.json"
    assert side_file(source, "config.json") == whole / "0_Transformer" / "config.json"
    assert side_file(source, "other.json") is None


@pytest.mark.parametrize("listed", ["../bert", "", "[]", "none"])
def test_modules_that_lead_out_of_the_folder_or_nowhere_are_not_followed(
    folder: Path, tmp_path: Path, listed: str
) -> None:
    whole = tmp_path / "whole"
    (whole / "part").mkdir(parents=True)
    shutil.copy(folder / "config.json", whole / "part")
    modules(whole, listed)
    if listed == "[]":
        (whole / "modules.json").write_text(listed)
    with pytest.raises(BadModelError, match=r"no config.json in it; there is one in part: name that folder"):
        local_folder(ModelSource(folder=whole))


def test_a_side_file_that_is_no_object_or_no_json_is_refused_with_its_name(folder: Path) -> None:
    source = ModelSource(folder=folder)
    assert described_in(source, "none.json") is None
    (folder / "tokenizer_config.json").write_text("[1]")
    with pytest.raises(BadModelError, match=r"tokenizer_config.json cannot be read: it holds a list and no object"):
        described_in(source, "tokenizer_config.json")
    (folder / "tokenizer_config.json").write_text('{"a": ')
    with pytest.raises(BadModelError, match=r"line 1, column 7 is not JSON"):
        described_in(source, "tokenizer_config.json")


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    check_tokenizer(ModelSource(folder=folder))
    for name in sources.TOKENIZER_FILES:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(BadModelError, match=r"it has no tokenizer, none of tokenizer\.json"):
        check_tokenizer(ModelSource(folder=folder))


def test_a_model_has_the_size_of_its_files_or_of_its_parameters(folder: Path) -> None:
    size = (folder / "model.safetensors").stat().st_size
    assert sources.weights_bytes(ModelSource(folder=folder), 10) == size
    assert sources.weights_bytes(ModelSource(hub="an/id"), 10) == 40


def test_the_base_of_an_adapter_is_part_of_its_fingerprint_and_may_lie_beside_it(tmp_path: Path) -> None:
    base, _ = tiny.family_folder(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": "../base"}))
    source = ModelSource(folder=folder)
    assert sources.base_of(source) == ModelSource(folder=base)
    before = fingerprint(source)
    (base / "config.json").write_text((base / "config.json").read_text() + " ")
    assert fingerprint(source) != before
    file.write_text(json.dumps({"base_model_name_or_path": "/no/such/folder"}))
    with pytest.raises(BadModelError, match=r"adapter is for /no/such/folder, which is neither a folder here nor"):
        sources.check(source, "text")
