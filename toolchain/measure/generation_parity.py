"""Whether an artifact that generates gives the logits of the model that it was made from, and gives them again.

In:  a session of the artifact, held-out texts as ids, and the float model's logits of them.
Out: `GenerationParity`: the error of logits in absolute terms, their scale, the KL divergence, the share of greedy
     tokens that are the same, bits per byte of both, and what of it is beyond the limits.
Cosine and the likeliest token alone hide logits that are a constant times too large, which temperature, sampling and
distillation do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.base.json_values import JsonObject
from edgewright.measure.text_reading import Logits, ReadLogits, Run, read_texts
from edgewright.specs.signature import Signature

MOST_TEXTS = 8  # that an artifact reads; some thirty calls each
TINY = float(np.finfo(np.float64).tiny)
Expected = Callable[[int], NDArray[np.float32]]
"""The float model's logits of a text by its number, (length, vocabulary)."""


@dataclass(frozen=True, kw_only=True)
class ParityLimits:
    """How far an artifact may be off before something other than rounding is at work.

    `mean_error` and `repeat` are shares of the logits' spread, `scale` is how far from 1 the factor between both logits
    may be, `kl_nats` is a token's, `agreement` the least share of equal greedy tokens.
    """

    mean_error: float = 0.35
    scale: float = 0.1
    kl_nats: float = 0.25
    agreement: float = 0.7
    repeat: float = 1e-3


LIMITS = ParityLimits()


@dataclass(frozen=True, kw_only=True)
class CallsParity:
    """The logits of calls of one kind, over so many `tokens`: means a token, and the scale by least squares."""

    tokens: int
    error_mean: float
    scale: float
    kl_nats: float
    greedy_agreement: float


@dataclass(frozen=True, kw_only=True)
class GenerationParity:
    """How close an artifact's logits are to the float model's, over so many `tokens`.

    Errors are absolute; `logit_spread` is the mean over tokens of the standard deviation of the float model's logits.
    `kl_nats` is the mean divergence a token from the float model's distribution, `kl_nats_max` that of the worst token.
    `repeat_error` is the largest difference between logits of one text read twice, with others in between. Bits per
    byte are of the true next tokens, where their bytes are known. `cosine_min` is the worst of any token. `prefill` and
    `decode` are by kinds of calls. `faults` say what is beyond the limits; logits that cannot be compared leave all
    else None.
    """

    tokens: int = 0
    logit_error_max: float | None = None
    logit_error_mean: float | None = None
    logit_spread: float | None = None
    kl_nats: float | None = None
    kl_nats_max: float | None = None
    greedy_agreement: float | None = None
    repeat_error: float | None = None
    cosine_min: float = -1.0
    bits_per_byte: float | None = None
    float_bits_per_byte: float | None = None
    prefill: CallsParity | None = None
    decode: CallsParity | None = None
    limits: ParityLimits = LIMITS
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all is within the limits."""
        return not self.faults

    def document(self) -> JsonObject:
        """As it stands in a manifest."""
        return {**asdict(self), "faults": list(self.faults)}


@dataclass(frozen=True, kw_only=True)
class TokenParity:
    """One token's logits beside the float model's.

    `product` is of both logits, each without its mean, over the vocabulary, `square` and `spread` of the float model's.
    `nats` are the surprise at the true next token, the artifact's and the float model's.
    """

    prefill: bool
    error_max: float
    error_mean: float
    product: float
    square: float
    spread: float
    kl_nats: float
    cosine: float
    same: bool
    nats: tuple[float, float] = (0.0, 0.0)
    next_bytes: int = 0


def compare_generation(
    run: Run,
    signature: Signature,
    texts: Sequence[Sequence[int]],
    expected: Expected,
    *,
    token_bytes: Sequence[int] | None = None,
    limits: ParityLimits = LIMITS,
    on_progress: Callable[[int], None] | None = None,
) -> GenerationParity:
    """Have the artifact read the texts, then the first once more, and compare each call's logits.

    `token_bytes` has the bytes of each id of the vocabulary; without it there are no bits per byte. `on_progress` hears
    how many texts are done. `MOST_TEXTS` texts are enough.
    """
    first: list[Logits] = []
    tokens: list[TokenParity] = []
    for number, reads in _by_text(run, signature, texts):
        wanted = np.asarray(expected(number), dtype=np.float64)
        for read in reads:
            if read.logits.shape != wanted[read.place].shape or not np.isfinite(read.logits).all():
                return GenerationParity(limits=limits, faults=(_not_comparable(read, wanted.shape[-1]),))
            following = texts[number][read.place + 1 : read.place + 2]
            tokens.append(token_parity(read, wanted[read.place], following, token_bytes))
        first = first or [each.logits for each in reads]
        if on_progress:
            on_progress(number + 1)
    if not tokens:
        return GenerationParity(limits=limits, faults=("there are no texts to compare it on",))
    again = [read.logits for read in read_texts(run, signature, texts[:1])]
    repeat = max(float(np.abs(one - other).max()) for one, other in zip(first, again, strict=True))
    return summarised(tokens, repeat_error=repeat, limits=limits)


def token_parity(
    read: ReadLogits, expected: NDArray[np.float64], following: Sequence[int], token_bytes: Sequence[int] | None
) -> TokenParity:
    """Compare one call's logits with the float model's of the same place; `following` is the true next id, if any."""
    found = read.logits.astype(np.float64)
    errors = np.abs(found - expected)
    ours, theirs = found - found.mean(), expected - expected.mean()
    log_q, log_p = log_softmax(found), log_softmax(expected)
    return TokenParity(
        prefill=read.prefill,
        error_max=float(errors.max()),
        error_mean=float(errors.mean()),
        product=float(ours @ theirs),
        square=float(theirs @ theirs),
        spread=float(theirs.std()),
        kl_nats=float(np.exp(log_p) @ (log_p - log_q)),
        cosine=float(found @ expected / max(float(np.linalg.norm(found) * np.linalg.norm(expected)), TINY)),
        same=int(found.argmax()) == int(expected.argmax()),
        nats=(-float(log_q[following[0]]), -float(log_p[following[0]])) if following else (0.0, 0.0),
        next_bytes=token_bytes[following[0]] if following and token_bytes else 0,
    )


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithms of the probabilities, (vocabulary,)."""
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def summarised(
    tokens: Sequence[TokenParity], *, repeat_error: float, limits: ParityLimits = LIMITS
) -> GenerationParity:
    """All tokens, one at least, as one finding with what is beyond the limits."""
    known = [each for each in tokens if each.next_bytes]
    bits_each = np.log(2) * max(sum(each.next_bytes for each in known), 1)
    ours, theirs = (float(sum(each.nats[which] for each in known) / bits_each) for which in (0, 1))
    spread = _mean([each.spread for each in tokens])
    calls = {kind: _of_calls([each for each in tokens if each.prefill == kind]) for kind in (True, False)}
    faults = [fault for kind, each in calls.items() if each for fault in _faults(each, kind, spread, limits)]
    if not repeat_error <= limits.repeat * spread:
        faults.append(
            f"its state does not reset: a text that is read again after others has logits that are off by up to "
            f"{repeat_error:.3g}, where their spread is {spread:.3g}"
        )
    return GenerationParity(
        tokens=len(tokens),
        logit_error_max=max(each.error_max for each in tokens),
        logit_error_mean=_mean([each.error_mean for each in tokens]),
        logit_spread=spread,
        kl_nats=_mean([each.kl_nats for each in tokens]),
        kl_nats_max=max(each.kl_nats for each in tokens),
        greedy_agreement=_mean([each.same for each in tokens]),
        repeat_error=repeat_error,
        cosine_min=min(each.cosine for each in tokens),
        bits_per_byte=ours if known else None,
        float_bits_per_byte=theirs if known else None,
        prefill=calls[True],
        decode=calls[False],
        limits=limits,
        faults=tuple(faults),
    )


def _by_text(run: Run, signature: Signature, texts: Sequence[Sequence[int]]) -> Iterator[tuple[int, list[ReadLogits]]]:
    """Each text's number with all that was read of it."""
    for number in range(len(texts)):
        reads = list(read_texts(run, signature, texts[number : number + 1], first=number))
        if reads:
            yield number, reads


def _of_calls(tokens: Sequence[TokenParity]) -> CallsParity | None:
    if not tokens:
        return None
    square = sum(each.square for each in tokens)
    return CallsParity(
        tokens=len(tokens),
        error_mean=_mean([each.error_mean for each in tokens]),
        scale=sum(each.product for each in tokens) / max(square, TINY),
        kl_nats=_mean([each.kl_nats for each in tokens]),
        greedy_agreement=_mean([each.same for each in tokens]),
    )


def _faults(found: CallsParity, prefill: bool, spread: float, limits: ParityLimits) -> Iterator[str]:
    """What of one kind of calls is beyond the limits, a clause each."""
    calls = "prefill" if prefill else "decode"
    if not abs(found.scale - 1) <= limits.scale:
        yield f"logits of {calls} are {found.scale:.3g} times the float model's, where 1 ± {limits.scale:g} is allowed"
    if not found.error_mean <= limits.mean_error * spread:
        yield (
            f"logits of {calls} are off by {found.error_mean:.3g} on average, more than {limits.mean_error:g} of their "
            f"spread of {spread:.3g}"
        )
    if not found.kl_nats <= limits.kl_nats:
        yield f"KL divergence of {calls} is {found.kl_nats:.3g} nats a token, more than {limits.kl_nats:g}"
    if not found.greedy_agreement >= limits.agreement:
        yield (
            f"{found.greedy_agreement:.0%} of the greedy tokens of {calls} are the float model's, fewer than "
            f"{limits.agreement:.0%}"
        )


def _not_comparable(read: ReadLogits, vocabulary: int) -> str:
    if read.logits.shape != (vocabulary,):
        return f"its logits are {read.logits.size} numbers, and the float model's {vocabulary}"
    return f"its logits of text {read.text + 1} are no numbers (NaN or infinite) after token {read.place + 1}"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
