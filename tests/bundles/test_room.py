"""A context that a device's memory cannot hold is refused with the largest that fits, before anything is pushed."""

from pathlib import Path

import pytest

from edgewright.bundles import answering, room
from edgewright.bundles.answering import AskOptions, ask
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.room import require_room
from edgewright.bundles.schema import ArtifactFacts
from edgewright.bundles.written_text import PromptMaker
from edgewright.cost.context_memory import RUNNER_BYTES
from edgewright.errors import InputError
from edgewright.measure.prompts import Decoding, prompt_of
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.targets.transports.local import LocalTarget
from tests.bundles import made
from tests.forecast import writers
from tests.tiny_decoders import definition

CONTEXT = writers.CONTEXT


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """One whose artifacts are said to be of a tiny decoder."""
    return writers.bundle(tmp_path).path


def with_free(monkeypatch: pytest.MonkeyPatch, bytes_: float | None) -> None:
    monkeypatch.setattr(room, "read_facts", lambda *_: {"free": bytes_})


def test_the_cache_has_to_fit_beside_the_artifact(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = Bundle.open(bundle).artifact()
    cache = artifact.signature.state_bytes
    free = artifact.bytes + RUNNER_BYTES + cache
    for enough in (None, free):  # a device that does not tell has room
        with_free(monkeypatch, enough)
        require_room(LocalTarget(), artifact)
    with_free(monkeypatch, free - cache / 2)
    with pytest.raises(InputError, match=rf"the largest that fits is {CONTEXT // 2}; set stages.export.context"):
        require_room(LocalTarget(), artifact)
    with_free(monkeypatch, free - 2 * cache)
    with pytest.raises(InputError, match="none fits; make the model smaller"):
        require_room(LocalTarget(), artifact)


def test_an_artifact_without_a_cache_asks_the_device_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "read_facts", lambda *_: pytest.fail("the device was asked"))
    require_room(LocalTarget(), ArtifactFacts.model_validate(made.artifact("executorch", "model.pte", "0" * 64)))


@pytest.mark.parametrize("address", ["", "elsewhere:"])
def test_a_text_is_not_begun_where_the_cache_does_not_fit(
    bundle: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, 1 << 20)
    tokenizer = DecoderTokenizer(definition(), max_length=512)
    monkeypatch.setattr(PromptMaker, "tokenizer", tokenizer)
    monkeypatch.setattr(PromptMaker, "prompt", lambda _, __, ___, signature: prompt_of([1, 2], signature, Decoding()))
    monkeypatch.setattr(answering, "open_target", lambda _: LocalTarget())
    monkeypatch.setattr(answering, "deploy_from", lambda *_: pytest.fail("it was pushed"))
    with pytest.raises(InputError, match=rf"a context of {CONTEXT} tokens needs .* has 1 MB: none fits"):
        ask(bundle, "a", AskOptions(address=address) if address else AskOptions())
