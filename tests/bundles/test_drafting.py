"""A bundle of two models writes what the larger one does alone, token for token, and tells what it took."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewright.bundles.answering import AskOptions, ask
from edgewright.bundles.bundle import SPELLING, Bundle
from edgewright.bundles.drafting import drafted_bundle, spelling_of
from edgewright.bundles.drafts import draft_of
from edgewright.bundles.written_text import WritingSettings
from edgewright.errors import InputError
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.targets.transports import local
from tests.bundles.drafted import KEPT, SMALLER, TEXT, bundle_of_both, larger_bundle, smaller_bundle
from tests.bundles.generating import artifact
from tests.tiny_decoders import definition

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def larger() -> Bundle:
    return larger_bundle()


@pytest.fixture(scope="module")
def smaller() -> Bundle:
    return smaller_bundle()


@pytest.fixture(scope="module")
def both() -> Iterator[Bundle]:
    with closing(Bundle.open(bundle_of_both())) as made:
        yield made


def test_the_manifest_says_how_much_of_the_draft_was_accepted(larger: Bundle, both: Bundle) -> None:
    (facts,) = both.manifest.drafts
    expected = larger.expected_texts("executorch")
    assert expected is not None
    assert facts.tokens == sum(len(each.tokens) for each in expected.texts)
    assert 0 < facts.accepted <= facts.drafted
    assert facts.tokens - facts.prompts == facts.passes + facts.accepted
    assert facts.passes_saved is not None
    assert facts.passes_saved > 1
    assert facts.tie >= 1e-4
    assert both.file(facts.file).read_bytes() == artifact("executorch", SMALLER)[0].read_bytes()
    assert set(both.manifest.files) == {*larger.manifest.files, facts.file, SPELLING}
    assert "drafts" not in json.loads((larger.folder / "manifest.json").read_text())
    draft = draft_of(both, both.artifact())
    assert draft is not None
    assert draft.spelling is not None
    assert draft.spelling[: len(KEPT)] == tuple((each,) for each in KEPT)


def test_it_writes_what_the_larger_one_does_and_tells_of_the_draft(larger: Bundle, both: Bundle) -> None:
    settings, heard = WritingSettings(max_tokens=30), list[str]()
    alone: Any = larger.generate(TEXT, settings)
    found: Any = both.generate(TEXT, settings, heard.append)
    bare: Any = both.generate(TEXT, replace(settings, no_draft=True))
    drawn: Any = both.generate(TEXT, replace(settings, temperature=1.0, seed=3))
    assert "draft" not in alone
    assert found["ids"] == bare["ids"] == alone["ids"]
    assert "".join(heard) == found["text"]
    assert 0 < found["draft"]["accepted"] <= found["draft"]["drafted"]
    assert found["draft"]["passes"] + found["draft"]["accepted"] == found["tokens"] - 1
    assert found["draft"]["accepted_share"] == found["draft"]["accepted"] / found["draft"]["drafted"]
    assert (bare["draft"], drawn["draft"]) == (None, None)
    assert drawn["ids"] == larger.generate(TEXT, replace(settings, temperature=1.0, seed=3))["ids"]


def test_both_are_brought_to_a_board_and_the_text_ends_where_it_is_to(
    both: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgewright.bundles import answering

    place = tmp_path / "there"
    plain: Any = both.generate(TEXT, WritingSettings(max_tokens=24))
    stop = plain["text"][6:9]
    for settings in (WritingSettings(max_tokens=24), WritingSettings(max_tokens=24, stop=(stop,))):
        here: Any = both.generate(TEXT, settings)
        with monkeypatch.context() as patch:
            patch.setattr(answering, "open_target", lambda _: local.LocalTarget(place))
            there: Any = ask(both.path, TEXT, AskOptions(address="ssh://board", settings=settings)).document
        assert there["draft"] is None or there["draft"]["passes"] == here["draft"]["passes"]
        assert (there["text"], there["ended"]) == (here["text"], here["ended"])
    assert there["ended"] == "stop"


def test_what_does_not_go_together_is_refused_before_anything_runs(
    larger: Bundle, smaller: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="has no artifact that verifies a draft; build it again with verify_tokens"):
        drafted_bundle(smaller, larger, tmp_path / "made")
    whole = DecoderTokenizer(definition(), max_length=64)
    with pytest.raises(InputError, match="60 of the smaller model's 400 tokens are none of the larger one's"):
        spelling_of(whole.over(KEPT), whole)
    assert spelling_of(whole, whole) is None
    rows = spelling_of(whole, whole.over(KEPT))
    assert rows is not None
    spelt = {piece: b"".join(map(whole.spelt, rows[id_])) for piece, id_ in whole.vocabulary.items() if rows[id_]}
    assert all(each == whole.spelt(whole.vocabulary[piece]) for piece, each in spelt.items())
    assert len(spelt) > len(KEPT)
    assert not (tmp_path / "made").exists()
