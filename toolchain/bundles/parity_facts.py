"""What a manifest says of how close an artifact's outputs are to the float student's.

In:  the values of a manifest.
Out: `ParityFacts`; `ManifestPart` is what all parts of a manifest are.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class ManifestPart(BaseModel):
    """Values of a manifest: frozen, finite, and without keys that are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OutputParityFacts(ManifestPart):
    """The same of one output."""

    cosine_min: float
    max_abs_error: float | None


class CallsParityFacts(ManifestPart):
    """The logits of prefills, or of decodes: means over so many `tokens`, and the factor by which they differ."""

    tokens: int
    error_mean: float
    scale: float
    kl_nats: float
    greedy_agreement: float


class ParityLimitsFacts(ManifestPart):
    """What logits were judged by; errors are shares of the logits' spread."""

    mean_error: float
    scale: float
    kl_nats: float
    agreement: float
    repeat: float


class GenerationParityFacts(ManifestPart):
    """How close the logits of an artifact that generates are to the float student's, over some held-out tokens.

    Errors are absolute, the divergence is in nats a token, bits per byte are of the same tokens for both; `faults` say
    what is beyond the `limits`. Of logits that cannot be compared all else is None.
    """

    tokens: int
    logit_error_max: float | None = None
    logit_error_mean: float | None = None
    logit_spread: float | None = None
    kl_nats: float | None = None
    kl_nats_max: float | None = None
    greedy_agreement: float | None = None
    repeat_error: float | None = None
    cosine_min: float
    bits_per_byte: float | None = None
    float_bits_per_byte: float | None = None
    prefill: CallsParityFacts | None = None
    decode: CallsParityFacts | None = None
    limits: ParityLimitsFacts
    faults: tuple[str, ...] = ()


class ParityFacts(ManifestPart):
    """How close an artifact's outputs are to the float student's, at the worst over all held-out examples.

    Where it has several outputs, `worst_output` names the one that is furthest off, and `outputs` says it of each. What
    one that generates is judged by is in `generation`; the cosine is not.
    """

    passed: bool
    cosine_min: float
    max_abs_error: float | None
    cosine_limit: float
    worst_output: str | None = None
    outputs: dict[str, OutputParityFacts] = {}
    generation: GenerationParityFacts | None = None

    @model_serializer(mode="wrap")
    def _without_what_one_output_has_not(self, serialized: SerializerFunctionWrapHandler) -> dict[str, object]:
        document: dict[str, object] = serialized(self)
        unsaid = {"worst_output", "outputs"} if self.worst_output is None else set[str]()
        if self.generation is None:
            unsaid = {*unsaid, "generation"}
        return {name: value for name, value in document.items() if name not in unsaid}
