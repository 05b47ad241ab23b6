"""Bundles of a tiny decoder that verifies drafts, of one with fewer tokens that drafts for it, and of both."""

from functools import cache
from pathlib import Path

from edgewright.bundles.bundle import Bundle
from edgewright.bundles.drafting import drafted_bundle
from tests.bundles.generating import Variant, generating_bundle
from tests.device_scripts.artifacts import folder
from tests.tiny_decoders import PIECES

TEXT = "Return the zip file"
LARGER = Variant(verify_tokens=3)
KEPT = tuple(range(PIECES - 60))  # the last pieces are joined of others
SMALLER = Variant(kept=KEPT)


@cache
def larger_bundle() -> Bundle:
    return generating_bundle(folder() / "larger", variant=LARGER)


@cache
def smaller_bundle() -> Bundle:
    return generating_bundle(folder() / "smaller", variant=SMALLER)


@cache
def bundle_of_both() -> Path:
    return drafted_bundle(larger_bundle(), smaller_bundle(), folder() / "both").path
