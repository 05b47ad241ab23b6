"""What a manifest keeps of how close an artifact is to the float student."""

from edgewright.bundles.parity_facts import ParityFacts
from edgewright.measure.generation_parity import GenerationParity, TokenParity, summarised


def test_what_generates_keeps_how_its_logits_were_judged_and_others_say_nothing_of_it() -> None:
    token = TokenParity(
        prefill=True, error_max=0.2, error_mean=0.1, product=3.9, square=4.0, spread=2.0, kl_nats=0.01, cosine=0.999,
        same=True, nats=(1.1, 1.0), next_bytes=3,
    )  # fmt: skip
    for found in (summarised([token], repeat_error=0.0), GenerationParity(faults=("its logits are no numbers",))):
        written = {"passed": found.passed, "cosine_min": 0.9, "max_abs_error": None, "cosine_limit": -1.0}
        facts = ParityFacts.model_validate({**written, "generation": found.document()})
        assert ParityFacts.model_validate_json(facts.model_dump_json()) == facts
        assert facts.generation is not None
        assert facts.generation.faults == found.faults
        assert facts.generation.kl_nats == found.kl_nats
        assert "generation" not in ParityFacts.model_validate(written).model_dump()
