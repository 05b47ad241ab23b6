"""A bundle of two models is timed with its draft and without, once its text is the same both ways."""

from pathlib import Path

import pytest

from edgewright.bundles.bundle import Bundle
from edgewright.devices.drafted_benchmark import drafted_rates
from edgewright.measure.protocol import AS_USUAL
from edgewright.targets.transports import local
from tests.bundles.drafted import bundle_of_both, larger_bundle

pytestmark = pytest.mark.slow


def test_both_rates_are_told_with_what_the_draft_was_good_for(tmp_path: Path) -> None:
    target = local.LocalTarget(tmp_path / "there")
    with Bundle.open(bundle_of_both()) as bundle:
        found = drafted_rates(bundle, bundle.artifact(), target, "wall", AS_USUAL, quick=True)
        assert drafted_rates(bundle, bundle.artifact(), target, "instructions", AS_USUAL, quick=True) is None
        (facts,) = bundle.manifest.drafts
    assert found is not None
    document = found.document()
    assert (document["passes"], document["accepted"], document["drafted"]) == (
        facts.passes,
        facts.accepted,
        facts.drafted,
    )
    assert (document["tokens"], document["passes_saved"]) == (facts.tokens, facts.passes_saved)
    assert found.tokens_per_second is not None
    assert found.alone is not None
    assert min(found.tokens_per_second, found.alone) > 0
    plain = larger_bundle()
    assert drafted_rates(plain, plain.artifact(), target, "wall", AS_USUAL, quick=True) is None
