"""How ids are spelt in a smaller model's is read from the bundle and checked, and what a draft was good for is told."""

import json
import shutil
from pathlib import Path

import pytest

from edgewright.base.digest import sha256_of
from edgewright.bundles.bundle import SPELLING, Bundle
from edgewright.bundles.drafts import is_greedy, use_document
from edgewright.errors import BundleError
from edgewright.measure.generation_documents import DraftUse
from edgewright.measure.prompts import Decoding, Prompt
from tests.bundles.drafted import TEXT, bundle_of_both
from tests.bundles.made import change_manifest


def test_what_a_draft_was_good_for_is_a_share_and_how_many_passes_it_saved() -> None:
    use = DraftUse(passes=4, drafted=12, accepted=6, drift=0.0)
    assert use_document(use, range(11)) == {
        "passes": 4,
        "passes_saved": 2.5,
        "drafted": 12,
        "accepted": 6,
        "accepted_share": 0.5,
    }
    none = use_document(DraftUse(passes=0, drafted=0, accepted=0, drift=0.0), [1])
    assert none is not None
    assert (none["passes_saved"], none["accepted_share"]) == (None, None)
    assert use_document(None, [1]) is None


@pytest.mark.parametrize(
    ("decoding", "expected"),
    [(Decoding(), True), (Decoding(temperature=0.5), False), (Decoding(repetition_penalty=1.1), False)],
)
def test_a_draft_is_for_the_likeliest_tokens_alone(decoding: Decoding, expected: bool) -> None:
    assert is_greedy(Prompt(ids=(1,), decoding=decoding)) is expected


@pytest.mark.slow
def test_a_spelling_that_does_not_fit_is_a_fault_of_the_bundle(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle_of_both(), tmp_path / "bundle"))
    (folder / SPELLING).write_text(json.dumps({"spelling": [1, 2]}))
    change_manifest(folder, lambda values: values["files"].update({SPELLING: sha256_of(folder / SPELLING)}))  # type: ignore[attr-defined]
    with Bundle.open(folder) as opened, pytest.raises(BundleError, match="does not fit the vocabularies"):
        opened.generate(TEXT)
    (folder / "draft-model.pte").unlink()
    with pytest.raises(BundleError, match="lacks draft-model"):
        Bundle.open(folder)
