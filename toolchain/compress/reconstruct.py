"""Least squares in place of training: what can go at which error, and how what stays makes up for what went.

In:  a float model of any transformer family, and examples without labels.
Out: `LayerLevels`: for each layer, nested choices of heads and neurons with the error each costs once the others are
     refitted; and a cut model whose matrices are refitted so that its residual stream follows the teacher's.
Which level each layer gets is `search`'s decision; winning back the rest is `distill`'s.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.errors import InputError
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.model import TransformerModel
from edgewright.models.places import Bias
from edgewright.models.text import batches
from edgewright.models.transformer import Constant, LayerCut, LowRankLinear, TransformerLayer, copy_norm, matrix

BATCH_TOKENS = 2048
SAMPLE_TOKENS = 40_000  # 26 rows for each of the 1,537 unknowns of a base-sized matrix's output
HELD_OUT = 10  # every tenth example judges what the others were fitted to
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)  # of the mean diagonal; the held-out examples choose
ELIMINATION_RIDGE = 1e-4
PENDING = 64  # removals whose update of the inverse is made in one product


@dataclass(frozen=True, kw_only=True)
class LayerGrams:
    """Second moments, float64, of what a layer's two closing matrices read; the last row and column are of ones.

    `attention` is (heads × head_width + 1,) squared, `feed_forward` (neurons + 1,) squared. The variances (width,) are
    those of the residual stream's dimensions just after each part was added.
    """

    attention: Tensor
    feed_forward: Tensor
    attention_variance: Tensor
    feed_forward_variance: Tensor


@dataclass(frozen=True, kw_only=True)
class Level:
    """What stays of one part, in its old order, and the error of that: 0 for all of it."""

    kept: tuple[int, ...]
    error: float


@dataclass(frozen=True, kw_only=True)
class LayerLevels:
    """The choices there are for one layer, each from everything down to nothing."""

    heads: tuple[Level, ...]
    neurons: tuple[Level, ...]


@dataclass(frozen=True, kw_only=True)
class Elimination:
    """Groups in the order of their removal, and the squared output error after each, per example row."""

    order: tuple[int, ...]
    errors: tuple[float, ...]


class _Moments:
    """Sums over rows of the products of features, a one after them, and targets."""

    def __init__(self, features: int, targets: int, device: torch.device) -> None:
        options = {"dtype": torch.float64, "device": device}
        self.gram = torch.zeros(features + 1, features + 1, **options)  # type: ignore[call-overload]
        self.cross = torch.zeros(features + 1, targets, **options)  # type: ignore[call-overload]
        self.rows = 0

    def add(self, features: Tensor, targets: Tensor | None = None) -> None:
        """Rows (n, features) and (n, targets); products are float32 within a batch, and summed in float64."""
        extended = torch.cat([features, features.new_ones(len(features), 1)], dim=1)
        self.gram += extended.T @ extended
        if targets is not None:
            self.cross += extended.T @ targets
        self.rows += len(features)


@torch.no_grad()
def grams(model: TransformerModel, inputs: Inputs, *, tokens: int = SAMPLE_TOKENS) -> tuple[LayerGrams, ...]:
    """One pass over a sample of about so many tokens, evenly spread over `inputs`; padding does not count."""
    encoder, device = model.encoder, next(model.parameters()).device
    layers = [encoder.layer(index) for index in range(len(encoder.layers))]
    width = encoder.shape.width
    read = [
        (
            _Moments(layer.shape.heads * layer.shape.head_width, 0, device),
            _Moments(layer.shape.neurons, 0, device),
            _Spread(width, device),
            _Spread(width, device),
        )
        for layer in layers
    ]
    for batch in _sample(model, inputs, tokens):
        hidden, counted = batch.student, batch.fit | batch.held
        for layer, (attention, feed_forward, after_attention, after_feed_forward) in zip(layers, read, strict=True):
            attended = layer.attended(hidden, batch.bias)
            if layer.shape.heads:
                attention.add(attended[counted])
            after_attention.add((hidden + layer.attention_output(attended))[counted])
            hidden = layer.with_attention(hidden, attended)
            activated = layer.activated(hidden)
            if layer.shape.neurons:
                feed_forward.add(activated[counted])
            after_feed_forward.add((hidden + layer.down(activated))[counted])
            hidden = layer.with_feed_forward(hidden, activated)
    return tuple(
        LayerGrams(
            attention=attention.gram / max(attention.rows, 1),
            feed_forward=feed_forward.gram / max(feed_forward.rows, 1),
            attention_variance=after_attention.variance,
            feed_forward_variance=after_feed_forward.variance,
        )
        for attention, feed_forward, after_attention, after_feed_forward in read
    )


class _Spread:
    """The variance of rows, added to batch by batch."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.sums = torch.zeros(2, width, dtype=torch.float64, device=device)
        self.rows = 0

    def add(self, rows: Tensor) -> None:
        """(n, width)."""
        self.sums += torch.stack([rows.sum(dim=0), rows.square().sum(dim=0)])
        self.rows += len(rows)

    @property
    def variance(self) -> Tensor:
        """(width,) float64."""
        mean, square = (self.sums / max(self.rows, 1)).unbind()
        return (square - mean.square()).clamp(min=0)


@torch.no_grad()
def elimination(
    gram: Tensor, weight: Tensor, groups: Sequence[Sequence[int]], *, ridge: float = ELIMINATION_RIDGE
) -> Elimination:
    """Remove the groups of columns of `weight` one after another, each time the one that then costs least.

    `gram` holds second moments of the columns' inputs and of a one after them: (columns + 1,) squared; `weight` is
    (outputs, columns). After each removal the other columns and the bias are refitted at once, which is the optimal
    brain surgeon (Hassibi and Stork 1993) on whole structures (Kurtic et al. 2023, ZipLM). Single columns take
    O(columns²) each, with the update of the inverse delayed so that it is a product of matrices.
    """
    gram = gram.double()
    penalty = ridge * gram.diagonal()[:-1].mean()
    penalties = torch.full_like(gram.diagonal(), float(penalty))
    penalties[-1] = 1e-9  # the bias is refitted freely
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram + penalties.diag()))
    weights = torch.cat([weight.double().T, weight.new_zeros(1, len(weight)).double()])
    order, costs = (
        _remove_singles(inverse, weights, [group[0] for group in groups])
        if all(len(group) == 1 for group in groups)
        else _remove_groups(inverse, weights, groups)
    )
    errors = torch.tensor(costs, dtype=torch.float64).clamp(min=0).cumsum(0)
    return Elimination(order=tuple(order), errors=tuple(errors.tolist()))


def _remove_groups(inverse: Tensor, weights: Tensor, groups: Sequence[Sequence[int]]) -> tuple[list[int], list[float]]:
    remaining = dict(enumerate(torch.as_tensor(list(group), device=inverse.device) for group in groups))
    order, costs = [], []
    while remaining:
        best: tuple[float, int, Tensor] | None = None
        for number, columns in remaining.items():
            factor = torch.linalg.cholesky(inverse[columns[:, None], columns])
            own = torch.linalg.solve_triangular(factor, weights[columns], upper=False)
            cost = float(own.square().sum())
            if best is None or cost < best[0]:
                best = (cost, number, factor)
        assert best is not None
        cost, number, factor = best
        columns = remaining.pop(number)
        shared = torch.linalg.solve_triangular(factor, inverse[columns], upper=False)
        own = torch.linalg.solve_triangular(factor, weights[columns], upper=False)
        weights = weights - shared.T @ own
        inverse = inverse - shared.T @ shared
        order.append(number)
        costs.append(cost)
    return order, costs


def _remove_singles(inverse: Tensor, weights: Tensor, columns: Sequence[int]) -> tuple[list[int], list[float]]:
    """As above for one column at a time: column j costs |w_j|² / P_jj, where P is the inverse.

    With u = P_j / √P_jj and v = w_j / √P_jj, removal takes u uᵀ from P and u vᵀ from the weights; `PENDING` of these
    are gathered before the matrices themselves are touched, and what is gone is then left out of them.
    """
    names = torch.as_tensor([*columns, len(weights) - 1], device=inverse.device)
    inverse, weights = inverse[names[:, None], names], weights[names]
    numbers = torch.arange(len(columns), device=inverse.device)
    order: list[int] = []
    costs: list[float] = []
    while len(numbers):
        pending = min(PENDING, len(numbers))
        shared = inverse.new_zeros(len(inverse), pending)
        own = inverse.new_zeros(pending, weights.shape[1])
        diagonal, energy = inverse.diagonal().clone(), weights.square().sum(dim=1)
        gone = torch.zeros(len(inverse), dtype=torch.bool, device=inverse.device)
        gone[-1] = True  # the bias
        for step in range(pending):
            scores = (energy / diagonal.clamp(min=1e-300)).masked_fill(gone, torch.inf)
            chosen = int(scores.argmin())
            order.append(int(numbers[chosen]))
            costs.append(float(scores[chosen]))
            gone[chosen] = True
            root = float(diagonal[chosen].clamp(min=1e-300)) ** 0.5
            u = (inverse[chosen] - shared @ shared[chosen]) / root
            v = (weights[chosen] - shared[chosen] @ own) / root
            along = weights @ v - shared @ (own @ v)
            energy += u.square() * v.square().sum() - 2 * u * along
            energy.clamp_(min=0)
            diagonal -= u.square()
            shared[:, step], own[step] = u, v
        gone[-1] = False
        stays = ~gone
        shared = shared[stays]
        inverse = inverse[stays][:, stays] - shared @ shared.T
        weights = weights[stays] - shared @ own
        numbers = numbers[stays[:-1]]
    return order, costs


@torch.no_grad()
def levels(
    model: TransformerModel, inputs: Inputs, *, multiple: int = 1, tokens: int = SAMPLE_TOKENS
) -> tuple[LayerLevels, ...]:
    """What each layer may keep: every count of heads, and counts of neurons that are multiples of `multiple`.

    Errors are shares of the variance of the residual stream to which the part is added, so that those of different
    layers and parts compare: a part that says little costs little even where nothing of it stays. Each dimension
    counts by its own variance, or the few that are loud in every text would be all that is kept.
    """
    found = []
    for index, measured in enumerate(grams(model, inputs, tokens=tokens)):
        layer = model.encoder.layer(index)
        shape = layer.shape
        channels = torch.arange(shape.heads * shape.head_width).view(shape.heads, shape.head_width).tolist()
        neurons = [[neuron] for neuron in range(shape.neurons)]
        found.append(
            LayerLevels(
                heads=_levels(measured.attention, measured.attention_variance, layer.attention_output, channels, 1),
                neurons=_levels(measured.feed_forward, measured.feed_forward_variance, layer.down, neurons, multiple),
            )
        )
    return tuple(found)


def _levels(
    gram: Tensor, variance: Tensor, module: nn.Module, groups: Sequence[Sequence[int]], multiple: int
) -> tuple[Level, ...]:
    """From all groups to none; what is kept at one level contains what is kept at the next."""
    found = [Level(kept=tuple(range(len(groups))), error=0.0)]
    if not groups:
        return tuple(found)
    # A dimension that hardly varies is not to be all that counts.
    scale = variance.clamp(min=1e-4 * float(variance.mean()) + 1e-30).rsqrt()
    removed = elimination(gram, matrix(module) * scale[:, None], groups)
    for count in range(len(groups) - 1, -1, -1):
        if count % multiple == 0:
            gone = len(groups) - count
            error = removed.errors[gone - 1] / len(scale)
            found.append(Level(kept=tuple(sorted(removed.order[gone:])), error=error))
    return tuple(found)


@dataclass(kw_only=True)
class _Batch:
    """One batch's streams through both models; `fit` and `held` (examples, tokens) share out the tokens that count."""

    fit: Tensor
    held: Tensor
    bias: Bias
    student: Tensor
    teacher: Tensor
    target: Tensor


def _sample(
    student: TransformerModel, inputs: Inputs, tokens: int, teacher: TransformerModel | None = None
) -> Iterator[_Batch]:
    """Batches of examples taken evenly from `inputs`, at the start of both models (or of one, twice)."""
    device = next(student.parameters()).device
    sizes = inputs.sizes
    if not len(sizes):
        raise InputError("there are no examples to measure the model with; give at least one, better a few hundred")
    each = student.encoder.tokens_each
    share = min(1.0, tokens / (sum(sizes) * each))
    count = max(1, round(share * len(sizes)))
    chosen = [int(place * len(sizes) / count) for place in range(count)]
    held_out = set(chosen[HELD_OUT - 1 :: HELD_OUT] or chosen[-1:])
    for group in batches([sizes[index] for index in chosen], max(1, BATCH_TOKENS // each)):
        indexes = [chosen[place] for place in group]
        batch = batch_for(student, inputs, indexes)
        hidden = student.encoder.embedded(*batch)
        mask = student.encoder.mask(*batch)
        counted = torch.ones(hidden.shape[:-1], dtype=torch.bool, device=device) if mask is None else mask > 0
        held = torch.tensor([index in held_out for index in indexes], device=device)[:, None]
        taught = hidden if teacher is None else teacher.encoder.embedded(*batch)
        yield _Batch(
            fit=counted & ~held,
            held=counted & held,
            bias=student.encoder.bias(*batch),
            student=hidden,
            teacher=taught,
            target=taught,
        )


@torch.no_grad()
def reconstructed(
    student: TransformerModel,
    teacher: TransformerModel,
    cuts: Sequence[LayerCut],
    inputs: Inputs,
    *,
    width: Sequence[int] | None = None,
    tokens: int = SAMPLE_TOKENS,
) -> TransformerModel:
    """A copy of `student`, which is `teacher` cut by `cuts` (and `width`), refitted layer by layer.

    Each matrix that writes to the residual stream is the least-squares solution for the teacher's stream, given what
    the student, corrected so far, feeds it. A layer that was dropped is part of what the layer before it aims at:
    where norms follow sums, that layer takes the norm of the last one dropped. Where the stream itself was narrowed,
    what reads it is refitted too, to what the teacher's own matrices say. A tenth of the examples is held out: it
    chooses the ridge, and where no fit betters the old weights there, they stay.

    Memory: three streams of `tokens` × width float32 are held, and the normal equations of one matrix.
    Raises `InputError` when `cuts` are not in the teacher's order.
    """
    for earlier, later in itertools.pairwise(cuts):
        if later.layer <= earlier.layer:
            raise InputError(
                f"the cuts name layer {later.layer} after layer {earlier.layer}; reconstruction follows the teacher's "
                "layers, so name each once and in its order"
            )
    corrected = copy.deepcopy(student).eval()
    ours, theirs = corrected.encoder, teacher.encoder
    held = list(_sample(corrected, inputs, tokens, teacher))
    kept = None if width is None else torch.as_tensor(list(width), device=held[0].student.device)
    at = 0
    for index, cut in enumerate(cuts):
        end = cuts[index + 1].layer if index + 1 < len(cuts) else len(theirs.layers)
        for batch in held:
            for skipped in range(at, cut.layer):  # only before the first layer that is kept
                batch.teacher = theirs.layer(skipped)(batch.teacher, batch.bias)
        absorbed = [theirs.layer(each) for each in range(cut.layer, end)]
        if not ours.shape.norm_first:
            copy_norm(absorbed[-1].feed_forward_norm, ours.layer(index).feed_forward_norm, kept)
        _refit_layer(ours.layer(index), absorbed, cut, kept, held)
        at = end
    _refit_head(corrected, teacher, held)
    return corrected


def _refit_layer(
    layer: TransformerLayer,
    absorbed: Sequence[TransformerLayer],
    cut: LayerCut,
    kept: Tensor | None,
    held: Sequence[_Batch],
) -> None:
    """Refit one layer of the student, and leave both streams after it."""
    whole = absorbed[0]
    if kept is not None and layer.shape.heads:
        if layer.norm_first and layer.shape.normed:
            _refit_norm(
                layer.attention_norm, held, lambda b: b.student, lambda b: whole.attention_norm(b.teacher)[..., kept]
            )
        rows, scales = _projected(whole, layer, cut)
        _refit(
            layer.query_key_value,
            held,
            lambda b: layer.attention_input(b.student),
            lambda b: whole.query_key_value(whole.attention_input(b.teacher))[..., rows] * scales,
        )
    for batch in held:
        attended = whole.attended(batch.teacher, batch.bias)
        batch.target = _at(batch.teacher + whole.attention_output(attended), kept)
        batch.teacher = whole.with_attention(batch.teacher, attended)
    _refit(layer.attention_output, held, lambda b: layer.attended(b.student, b.bias), lambda b: b.target - b.student)
    for batch in held:
        batch.student = batch.student + layer.attention_output(layer.attended(batch.student, batch.bias))
    if not layer.norm_first:
        if kept is not None:
            _refit_norm(layer.attention_norm, held, lambda b: b.student, lambda b: b.teacher[..., kept])
        for batch in held:
            batch.student = layer.attention_norm(batch.student)
    if kept is not None and layer.shape.neurons:
        if layer.norm_first:
            _refit_norm(
                layer.feed_forward_norm,
                held,
                lambda b: b.student,
                lambda b: whole.feed_forward_norm(b.teacher)[..., kept],
            )
        neurons = torch.as_tensor(cut.neurons, device=kept.device)
        _refit(
            layer.up,
            held,
            lambda b: layer.feed_forward_input(b.student),
            lambda b: whole.up(whole.feed_forward_input(b.teacher))[..., whole.up_rows(neurons)],
        )
    for batch in held:
        hidden = batch.teacher
        for number, each in enumerate(absorbed):
            if number:
                hidden = each.with_attention(hidden, each.attended(hidden, batch.bias))
            activated = each.activated(hidden)
            batch.target = _at(hidden + each.down(activated), kept)
            hidden = each.with_feed_forward(hidden, activated)
        batch.teacher = hidden
    _refit(layer.down, held, lambda b: layer.activated(b.student), lambda b: b.target - b.student)
    for batch in held:
        batch.student = batch.student + layer.down(layer.activated(batch.student))
    if not layer.norm_first:
        if kept is not None:
            _refit_norm(layer.feed_forward_norm, held, lambda b: b.student, lambda b: b.teacher[..., kept])
        for batch in held:
            batch.student = layer.feed_forward_norm(batch.student)


def _refit_head(student: TransformerModel, teacher: TransformerModel, held: Sequence[_Batch]) -> None:
    """The head's first matrix, to what the teacher's says; an embedding that has none needs none."""
    ours, theirs = student.head, teacher.head
    name = "pooler" if ours.shape.inner else "classifier" if ours.shape.classes else "projection"
    if not (ours.shape.classes or ours.shape.projected):
        return
    each_token = ours.shape.pooling == "each"
    closed = []
    for batch in held:
        mask = (batch.fit | batch.held).to(batch.student.dtype)
        hidden = ours.pooled(student.encoder.closed(batch.student), mask)
        taught = theirs.pooled(teacher.encoder.closed(batch.teacher), mask)
        first = getattr(theirs, name, None)
        wanted = taught if first is None else first(taught)
        fit, judged = (batch.fit, batch.held) if each_token else (batch.fit[:, 0], batch.held[:, 0])
        closed.append(_Batch(fit=fit, held=judged, bias=None, student=hidden, teacher=wanted, target=wanted))
    _refit(getattr(ours, name), closed, lambda b: b.student, lambda b: b.target)


def _at(values: Tensor, kept: Tensor | None) -> Tensor:
    """The dimensions of the stream that the student has."""
    return values if kept is None else values[..., kept]


def _projected(whole: TransformerLayer, layer: TransformerLayer, cut: LayerCut) -> tuple[Tensor, Tensor]:
    """Which of the teacher's queries, keys and values the student has, and by what each is multiplied there."""
    width, device = whole.shape.head_width, next(whole.parameters()).device
    inner = whole.shape.heads * width
    everything = tuple(tuple(range(width)) for _ in cut.heads)
    places = [
        [head * width + channel for head, own in zip(cut.heads, channels or everything, strict=True) for channel in own]
        for channels in (cut.query_key, cut.value)
    ]
    query_key, value = (torch.as_tensor(each, device=device) for each in places)
    rows = torch.cat([query_key, query_key + inner, value + 2 * inner])
    scales = torch.ones(len(rows), device=device)
    scales[: len(query_key)] = (layer.shape.head_width / width) ** 0.5
    return rows, scales


def _refit(
    module: nn.Module,
    held: Sequence[_Batch],
    read: Callable[[_Batch], Tensor],
    wanted: Callable[[_Batch], Tensor],
) -> None:
    """Add to a linear map the least-squares correction that best serves the held-out rows; or none."""
    final = cast(nn.Module, module.second) if isinstance(module, LowRankLinear) else module
    moments: list[_Moments] = []
    for batch in held:
        inputs = read(batch)
        missing = wanted(batch) - module(inputs)
        features = module.first(inputs) if isinstance(module, LowRankLinear) else inputs
        if isinstance(module, Constant):
            features = features[..., :0]
        if not moments:
            moments = [_Moments(features.shape[-1], missing.shape[-1], missing.device) for _ in range(2)]
        for each, rows in zip(moments, (batch.fit, batch.held), strict=True):
            each.add(features[rows], missing[rows])
    correction = _correction(*moments)
    if correction is not None:
        cast(Tensor, final.bias).add_(correction[-1])
        if not isinstance(module, Constant):
            cast(Tensor, final.weight).add_(correction[:-1].T)


def _correction(fit: _Moments, judge: _Moments) -> Tensor | None:
    """(features + 1, outputs): what to add to the old weights, with a ridge that pulls towards them."""
    best, least = None, 0.0
    if not fit.rows or not judge.rows:
        return None
    mean = float(fit.gram.diagonal()[:-1].mean()) if len(fit.gram) > 1 else 0.0
    for ridge in RIDGES if len(fit.gram) > 1 else RIDGES[:1]:
        penalties = torch.full_like(fit.gram.diagonal(), ridge * mean)
        penalties[-1] = 1e-6 * fit.rows
        factor, failed = torch.linalg.cholesky_ex(fit.gram + penalties.diag())
        if failed:
            continue
        found = torch.cholesky_solve(fit.cross, factor)
        change = float((found * (judge.gram @ found - 2 * judge.cross)).sum())
        if change < least:
            best, least = found, change
    return best


def _refit_norm(
    norm: nn.Module, held: Sequence[_Batch], read: Callable[[_Batch], Tensor], wanted: Callable[[_Batch], Tensor]
) -> None:
    """Scale and shift each dimension anew: a norm over fewer dimensions divides by another deviation."""
    layer_norm = cast(nn.LayerNorm, norm)
    plain = nn.functional.layer_norm
    sums: Tensor | None = None
    for batch in held:
        normed = plain(read(batch), layer_norm.normalized_shape, eps=layer_norm.eps)
        target = wanted(batch)
        each = torch.stack(
            [
                torch.stack([x.sum(0), y.sum(0), (x * x).sum(0), (x * y).sum(0), torch.full_like(x[0], len(x))])
                if len(x)
                else normed.new_zeros(5, normed.shape[-1])
                for rows in (batch.fit, batch.held)
                for x, y in [(normed[rows], target[rows])]
            ]
        ).double()
        sums = each if sums is None else sums + each
    assert sums is not None
    x, y, square, product, rows = sums[0]
    if not float(rows[0]) or not float(sums[1, 4, 0]):
        return
    variance = square / rows - (x / rows).square()
    scale = (product / rows - x * y / rows.square()) / variance.clamp(min=1e-12)
    shift = (y - scale * x) / rows
    x, y, square, product, rows = sums[1]

    def error(weight: Tensor, bias: Tensor) -> Tensor:
        """Each dimension's squared error on the held-out rows, less that of the targets themselves."""
        fitted = weight.square() * square + 2 * weight * bias * x + rows * bias.square()
        return cast(Tensor, fitted - 2 * (weight * product + bias * y))

    old = (layer_norm.weight.double(), layer_norm.bias.double())
    better = error(scale, shift) < error(*old)
    layer_norm.weight.copy_(torch.where(better, scale, old[0]))
    layer_norm.bias.copy_(torch.where(better, shift, old[1]))
