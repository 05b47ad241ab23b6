"""What an artifact is asked to write, and the document by which a runner is told.

In:  the signature of an artifact that generates, ids of prompts, and how tokens are chosen.
Out: `Prompt`s that fit the context, and the document of device_scripts/generation.py.
Turning text into ids, and tokens into text, is the tokenizer's concern.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.errors import InputError
from edgewright.measure.job import SCHEMA
from edgewright.specs.generation import Generation
from edgewright.specs.signature import Method, Signature


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How tokens are chosen, and when that ends.

    At `temperature` 0 it is always the likeliest. Else one of the `top_k` likeliest (0: of all) that together have the
    probability `top_p`, by chance; the same `seed` gives the same tokens under every runtime. A `repetition_penalty`
    above 1 makes ids that were there before less likely. It ends with any of the `stop` sequences of ids, beside the
    artifact's own, after `max_tokens`, or where the context is full.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[tuple[int, ...], ...] = ()


GREEDY = Decoding()


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The ids of a text that is to go on; `dropped` is how many of its first were cut off.

    With `wants_logits` the logits of its last id and each token's margin come back beside the tokens.
    """

    ids: tuple[int, ...]
    decoding: Decoding = GREEDY
    dropped: int = 0
    wants_logits: bool = False


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A smaller artifact that drafts for a larger one: its signature, and what the larger one's ids are in its own.

    `spelling` has for each id of the larger one those that stand for it, none where nothing does; it is None where the
    ids are the same. Where the likeliest token leads by less than `tie` in a pass of several, a pass of one decides.
    """

    signature: Signature
    spelling: tuple[tuple[int, ...], ...] | None
    tie: float


def generation_of(signature: Signature) -> Generation:
    """How an artifact generates. Raises `InputError` for one that does not."""
    if signature.generation is None:
        names = ", ".join(each.name for each in signature.methods)
        raise InputError(f"the artifact does not generate text (it has {names}); use one of a decoder")
    return signature.generation


def prompt_of(
    ids: Sequence[int],
    signature: Signature,
    decoding: Decoding = GREEDY,
    *,
    context: int | None = None,
    truncate: bool = False,
) -> Prompt:
    """A prompt for an artifact, with a shorter `context` than the artifact's where one is given.

    With `truncate` the first ids of one that is too long are cut off, but for the id that begins a text: so many that
    half of the context is left for what is written, or as much as `max_tokens` need. Raises `InputError` for an empty
    prompt, an id that is not in the vocabulary, one that is too long, and a context that the artifact does not have.
    """
    plan = generation_of(signature)
    most = context_of(plan, context)
    if not ids:
        raise InputError("the prompt has no ids; give one at least, such as the id that begins a text")
    if wrong := [each for each in ids if not 0 <= each < plan.vocabulary]:
        raise InputError(
            f"the prompt has the id {wrong[0]}, and the vocabulary has those from 0 to {plan.vocabulary - 1}; "
            "use the artifact's own tokenizer"
        )
    if len(ids) <= most:
        return Prompt(ids=tuple(ids), decoding=decoding)
    if not truncate:
        raise InputError(
            f"the prompt has {len(ids)} ids, {len(ids) - most} more than the context of {most}; shorten it, or ask for "
            "it to be cut"
        )
    kept = max(most + 1 - decoding.max_tokens, (most + 1) // 2)
    begins = ids[0] == plan.begin and kept > 1
    last = list(ids)[len(ids) - kept + begins :]
    return Prompt(ids=(*ids[:begins], *last), decoding=decoding, dropped=len(ids) - kept)


def context_of(plan: Generation, asked: int | None) -> int:
    """The context to use. Raises `InputError` for one beyond what the file has."""
    if asked is None or asked == plan.context:
        return plan.context
    if not 1 <= asked <= plan.context:
        raise InputError(
            f"a context of {asked} is asked for, and the artifact has 1 to {plan.context} positions; ask for fewer, or "
            "build it with more"
        )
    return asked


def prompts_document(
    signature: Signature, prompts: Sequence[Prompt], *, context: int | None = None, draft: Draft | None = None
) -> dict[str, object]:
    """What a runner reads. Raises `InputError` for a draft of an artifact that cannot verify one."""
    plan = generation_of(signature)
    if draft is not None and signature.verified_ids is None:
        raise InputError(
            "the artifact has no method that verifies a draft; build it with stages.export.verify_tokens, or leave the "
            "draft out"
        )
    return {
        "schema": SCHEMA,
        "state": _state(signature),
        "program": _program(signature, plan, context_of(plan, context)),
        "prompts": [_prompt(each, plan) for each in prompts],
        **({"draft": _draft(draft)} if draft is not None else {}),
    }


def _draft(draft: Draft) -> dict[str, object]:
    plan, spelling = generation_of(draft.signature), draft.spelling
    own = [each[0] if len(each) == 1 else list(each) for each in spelling] if spelling is not None else None
    return {
        "state": _state(draft.signature),
        "program": _program(draft.signature, plan, plan.context),
        "spelling": own,
        "tie": draft.tie,
    }


def _state(signature: Signature) -> list[dict[str, object]]:
    return [{"name": each.name, "dtype": each.dtype, "shape": list(each.shape)} for each in signature.state]


def stops_of(prompt: Prompt, plan: Generation) -> tuple[tuple[int, ...], ...]:
    """All sequences that end a prompt's text: its own first."""
    return (*prompt.decoding.stop, *((each,) for each in plan.stop))


def _program(signature: Signature, plan: Generation, context: int) -> dict[str, object]:
    prefill, decode = signature.method(plan.prefill), signature.method(plan.decode)
    inputs = {each.name: each for each in decode.inputs}
    verify = {"entry": plan.verify, "size": signature.verified_ids}
    return {
        "prefill": _entries(prefill),
        "decode": decode.name,
        "ids": {"name": plan.ids, "dtype": inputs[plan.ids].dtype},
        "position": {"name": plan.position, "dtype": inputs[plan.position].dtype},
        "logits": plan.logits,
        "state": list(decode.state),
        "context": context,
        "vocabulary": plan.vocabulary,
        **({"verify": verify} if plan.verify is not None else {}),
    }


def _entries(method: Method) -> list[dict[str, str | int]]:
    """The names in the file, and how many ids each takes."""
    found: list[dict[str, str | int]] = []
    for name, sizes in method.entries():
        (axis,) = method.axes.values()
        size = sizes.get(axis.name)
        found.append({"entry": name, "least": size or axis.least, "most": size or axis.most})
    return found


def _prompt(prompt: Prompt, plan: Generation) -> dict[str, object]:
    decoding = prompt.decoding
    return {
        "ids": list(prompt.ids),
        "max_tokens": decoding.max_tokens,
        "temperature": decoding.temperature,
        "top_k": decoding.top_k,
        "top_p": decoding.top_p,
        "repetition_penalty": decoding.repetition_penalty,
        "seed": decoding.seed,
        "stop": [list(each) for each in stops_of(prompt, plan)],
        **({"logits": True} if prompt.wants_logits else {}),
    }
