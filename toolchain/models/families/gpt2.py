"""Decoders of GPT-2's kind, with a table of positions, as `decoder_loading` reads them."""

from dataclasses import replace

from edgewright.models.families.llama import FAMILY as LLAMA

FAMILY = replace(LLAMA, title="decoder of GPT-2's kind")  # one class of model: what one can, the other can
