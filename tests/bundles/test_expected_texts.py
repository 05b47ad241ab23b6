"""What an artifact wrote where it was built is read back as it was, and only where it fits the artifact."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from edgewright.bundles.bundle import Bundle
from edgewright.bundles.expected_texts import ExpectedTexts
from edgewright.errors import BundleError, InvalidFileError
from tests.bundles.generating import MAX_TOKENS, PROMPTS, artifact, generating_bundle, model
from tests.bundles.made import change_manifest, resign
from tests.tiny_decoders import PIECES


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generating_bundle(tmp_path_factory.mktemp("generating") / "bundle").path


def test_a_bundle_says_what_its_artifact_wrote_and_by_which_logits(whole: Path) -> None:
    texts = Bundle.open(whole).expected_texts()
    assert texts is not None
    assert [each.ids for each in texts.texts] == list(PROMPTS)
    for each in texts.texts:
        with torch.no_grad():
            logits = model()(torch.tensor([each.ids]))[0, -1].numpy()
        assert np.abs(each.logits - logits).max() < 1e-4
        assert each.tokens[0] == logits.argmax()
        highest, second = np.sort(logits)[::-1][:2]
        assert each.margins[0] == pytest.approx(highest - second, abs=1e-4)
        assert 1 <= len(each.tokens) == len(each.margins) <= MAX_TOKENS


def test_the_prompts_ask_for_the_same_again(whole: Path) -> None:
    texts = Bundle.open(whole).expected_texts()
    assert texts is not None
    assert [each.ids for each in texts.prompts()] == list(PROMPTS)
    assert {(each.decoding.max_tokens, each.decoding.temperature, each.wants_logits) for each in texts.prompts()} == {
        (MAX_TOKENS, 0.0, True)
    }


def test_an_artifact_that_writes_nothing_has_none(folder: Path) -> None:
    assert Bundle.open(folder).expected_texts() is None


@pytest.mark.parametrize("name", ["prompts.json", "prompts.safetensors"])
def test_a_file_that_no_hash_vouches_for_is_refused(tmp_path: Path, whole: Path, name: str) -> None:
    import shutil

    shutil.copytree(whole, tmp_path / "bundle")
    change_manifest(tmp_path / "bundle", lambda values: values["files"].pop(name))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="has no hash for "):
        Bundle.open(tmp_path / "bundle")


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an id beyond": (lambda of: of["prompts"][0].append(PIECES), "context of 64 and the ids below 400"),
    "a long prompt": (lambda of: of["prompts"][0].extend([1] * 70), "a text of 74 ids"),
    "no ids": (lambda of: of["prompts"][1].clear(), "prompts"),
    "a prompt more": (lambda of: of["prompts"].append([1]), "texts of 3 of 4 prompts for executorch"),
    "of another runtime": (lambda of: of["tokens"].update(litert=of["tokens"].pop("executorch")), "texts of 0 of 3"),
    "a margin less": (lambda of: of["margins"]["executorch"][0].pop(), "margins of"),
    "no numbers": (lambda of: of["margins"]["executorch"][0].append("x"), "margins"),
    "more": (lambda of: of.update(more=1), "more"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_does_not_fit_is_told(whole: Path, tmp_path: Path, what: str) -> None:
    change, said = CHANGES[what]
    document = json.loads((whole / "prompts.json").read_text())
    change(document)
    changed = tmp_path / "prompts.json"
    changed.write_text(json.dumps(document))
    with pytest.raises((BundleError, InvalidFileError), match=said):
        ExpectedTexts.read((changed, whole / "prompts.safetensors"), "executorch", artifact("executorch")[1])


def test_no_document_and_no_logits_are_told(whole: Path, tmp_path: Path) -> None:
    signature, bad = artifact("executorch")[1], tmp_path / "bad"
    for content in (b"{", b"[]", b"\xff\xfe"):
        bad.write_bytes(content)
        with pytest.raises((BundleError, InvalidFileError)):
            ExpectedTexts.read((bad, whole / "prompts.safetensors"), "executorch", signature)
        with pytest.raises(BundleError, match="has no logits of executorch"):
            ExpectedTexts.read((whole / "prompts.json", bad), "executorch", signature)
    for rows, said in (
        (np.zeros((3, 7), np.float32), "do not fit"),
        (np.zeros((3, PIECES), np.float64), "something else than finite numbers"),
        (np.full((3, PIECES), np.nan, np.float32), "something else than finite numbers"),
    ):
        save_file({"executorch": rows}, bad)
        with pytest.raises(BundleError, match=said):
            ExpectedTexts.read((whole / "prompts.json", bad), "executorch", signature)


def test_an_altered_file_is_told_when_the_bundle_is_opened(whole: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(whole, tmp_path / "bundle")
    resign(tmp_path / "bundle", "prompts.json", b"{}", listed=False)
    with pytest.raises(BundleError, match=r"prompts\.json was altered"):
        Bundle.open(tmp_path / "bundle")
