"""What every transformer family is made of: layers that each have their own sizes, and how they are cut smaller.

In:  shapes, and for a cut the heads, channels, neurons and residual dimensions that stay.
Out: `Transformer`, the base of `encoder` (texts) and `vision` (images). Query, key and value are one matrix; any
     matrix may be two of low rank; a layer may have lost its attention or its feed-forward part altogether.
Which parts go is `compress`'s decision; pooling and class heads are `model`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.errors import InputError
from edgewright.models.token_positions import Bias, Places, placed, turned

ACTIVATIONS = {
    "gelu": "none",
    "gelu_python": "none",
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "gelu_fast": "tanh",
    "relu": "relu",
}
LINEARS = ("query_key_value", "attention_output", "up", "down")


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """One layer's sizes; 0 heads or 0 neurons leave nothing of that part but a constant.

    `ranks` has the rank of each matrix that is kept as a product of two, by its name in `LINEARS`. `relative` says
    which of the model's relative biases is each head's, where it has such. A `local` layer looks nearby only. One that
    is not `normed` reads the residual stream as it is where others have a norm before attention. `distances` is the
    number of rows of its tables of distances, 0 without such.
    """

    heads: int
    head_width: int
    neurons: int
    ranks: Mapping[str, int] = field(default_factory=dict)
    relative: tuple[int, ...] = ()
    local: bool = False
    normed: bool = True
    distances: int = 0

    def resized(self, *, heads: int, neurons: int, head_width: int | None = None) -> LayerShape:
        """A layer of this kind and of other sizes, all its matrices whole."""
        relative = tuple(range(heads)) if self.relative else ()
        width = self.head_width if head_width is None else head_width
        return replace(self, heads=heads, neurons=neurons, head_width=width, ranks={}, relative=relative)


@dataclass(frozen=True, kw_only=True)
class TransformerShape:
    """The sizes that all transformers have; `norm_first` is the order of Xiong et al. 2020, which vision uses.

    With `gated` each neuron is the product of two, one of them through the activation (Shazeer 2020, GeGLU).
    """

    width: int
    layers: tuple[LayerShape, ...]
    activation: str = "gelu"
    norm_epsilon: float = 1e-12
    norm_first: bool = False
    gated: bool = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`."""
        layers = tuple(
            LayerShape(**{**layer, "relative": tuple(layer.get("relative", ()))}) for layer in values["layers"]
        )
        return cls(**{**values, "layers": layers})

    @property
    def rotary(self) -> bool:
        """Whether queries and keys are turned by their tokens' places."""
        return False

    @property
    def macs_each_neuron(self) -> int:
        """The multiply-accumulates of one neuron for one token."""
        return (3 if self.gated else 2) * self.width

    def require_whole_heads(self, head_width: int | None) -> None:
        """Raises `InputError` where heads are to have fewer channels and cannot."""
        widest = max((layer.head_width for layer in self.layers), default=0)
        if self.rotary and head_width is not None and head_width < widest:
            raise InputError(
                f"stages.prune.head_width asks for {head_width} of {widest} channels, but this model's rotary "
                "positions turn a head's channels in pairs, so that none can go; remove stages.prune.head_width and "
                "lower stages.prune.heads"
            )


@dataclass(frozen=True, kw_only=True)
class LayerCut:
    """What one layer keeps: its place in the model it is cut from, and the heads and neurons that stay.

    `query_key` and `value` have, for each kept head in turn, the channels of it that stay; None keeps all. All heads
    of a layer keep equally many.
    """

    layer: int
    heads: tuple[int, ...]
    neurons: tuple[int, ...]
    query_key: tuple[tuple[int, ...], ...] | None = None
    value: tuple[tuple[int, ...], ...] | None = None


class LowRankLinear(nn.Module):
    """A linear map (…, inputs) → (…, outputs) through `rank` dimensions."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, rank, bias=False)
        self.second = nn.Linear(rank, outputs)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        output: Tensor = self.second(self.first(hidden))
        return output


class Constant(nn.Module):
    """What a part without heads or neurons still adds: the same vector (width,) to every token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, anything) → (…, width), whatever the input holds."""
        return self.bias.expand(*hidden.shape[:-1], -1)


def linear(inputs: int, outputs: int, rank: int | None = None) -> nn.Module:
    """One matrix, or two where a rank is given; without inputs there is only a bias."""
    if not inputs:
        return Constant(outputs)
    return LowRankLinear(inputs, outputs, rank) if rank else nn.Linear(inputs, outputs)


class TransformerLayer(nn.Module):
    """Attention, then a feed-forward block, each added to the residual stream.

    Normalised after each sum (Devlin et al. 2019), or before each part with `norm_first`.
    """

    def __init__(self, shape: TransformerShape, layer: LayerShape) -> None:
        super().__init__()
        inner = layer.heads * layer.head_width
        self.shape, self.norm_first, self.gated = layer, shape.norm_first, shape.gated
        self.approximation = ACTIVATIONS[shape.activation]
        if inner:
            self.query_key_value = linear(shape.width, 3 * inner, layer.ranks.get("query_key_value"))
            if layer.relative:
                self.register_buffer("relative", torch.tensor(layer.relative), persistent=False)
            if layer.distances:
                self.distance_keys = nn.Parameter(torch.zeros(layer.heads, layer.distances, layer.head_width))
                self.distance_queries = nn.Parameter(torch.zeros(layer.heads, layer.distances, layer.head_width))
        self.attention_output = linear(inner, shape.width, layer.ranks.get("attention_output"))
        self.attention_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon) if layer.normed else nn.Identity()
        if layer.neurons:
            self.up = linear(shape.width, layer.neurons * (2 if shape.gated else 1), layer.ranks.get("up"))
        self.down = linear(layer.neurons, shape.width, layer.ranks.get("down"))
        self.feed_forward_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)

    def forward(self, hidden: Tensor, bias: Bias) -> Tensor:
        """(…, length, width) → the same; `bias` (…, 1, 1, length), or what it holds, is added to the scores."""
        hidden = self.with_attention(hidden, self.attended(hidden, bias))
        return self.with_feed_forward(hidden, self.activated(hidden))

    def attended(self, hidden: Tensor, bias: Bias) -> Tensor:
        """What `attention_output` reads: (…, length, heads × head_width), or `hidden` where no head is left.

        Spelt out, because PyTorch's fused attention takes twice as long to train with on a CPU at such lengths: a `bmm`
        over the heads of all texts, the operator that the runtimes on devices have fast kernels for.
        """
        if not self.shape.heads:
            return hidden
        *batch, _, _ = hidden.shape
        heads, width = self.shape.heads, self.shape.head_width
        places = placed(bias)
        query, key, value = self.queries_keys_values(hidden)
        if places.turns is not None:
            rotation = places.turns[self.shape.local]
            cosines, sines = self.asking(rotation)
            query, key = turned(query, (cosines, sines)), turned(key, rotation)
        added = self.added(query, key, places)
        if batch:
            query, key, value = (each.reshape(batch[0] * heads, -1, width) for each in (query, key, value))
            if added is not None:
                whole = added.expand(-1, heads, -1, -1) if added.ndim == 4 else added.expand(*batch, heads, -1, -1)
                added = whole.flatten(0, 1)
        scores = torch.bmm(query * width**-0.5, key.transpose(-2, -1))
        if added is not None:
            scores = scores + added.to(scores.dtype)  # masks are float32, also in a model of float16
        mixed = torch.bmm(scores.softmax(dim=-1), value)
        if batch:
            mixed = mixed.view(*batch, heads, -1, width)
        return mixed.transpose(-3, -2).reshape(*batch, -1, heads * width)

    def added(self, query: Tensor, key: Tensor, places: Places) -> Tensor | None:
        """What is added to the scores, (…, heads or 1, queries or 1, length), of vectors (…, heads, length, width)."""
        bias = places.local if self.shape.local else places.bias
        if bias is not None:
            (bias,) = self.asking((bias,))
            if self.shape.relative and len(self.shape.relative) < bias.shape[-3]:
                bias = bias.index_select(-3, cast(Tensor, self.relative))
        if places.distances is None:
            return bias
        found = self.by_distance(query, key, places.distances)
        return found if bias is None else found + bias

    def by_distance(self, query: Tensor, key: Tensor, distances: Tensor) -> Tensor:
        """What queries say to distances, and keys to them, (…, heads, queries, length) (He et al. 2021, DeBERTa)."""
        query = query * self.shape.head_width**-0.5
        (rows,) = self.asking((distances,))
        asked = torch.matmul(query, self.distance_keys.transpose(-2, -1))
        answered = torch.matmul(key, self.distance_queries.transpose(-2, -1))
        sizes = asked.shape[:-2]
        from_queries = asked.gather(-1, rows.expand(*sizes, -1, -1))
        from_keys = answered.gather(-1, rows.T.expand(*sizes, -1, -1))
        return from_queries + from_keys.transpose(-2, -1)

    def asking(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The rows of those tokens that ask, of tensors (…, length or 1, anything): all."""
        return tuple(tensors)

    def queries_keys_values(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Three times (…, heads, length, head_width), of a layer's input."""
        query, key, value = self.by_head(self.query_key_value(self.attention_input(hidden)))
        return query, key, value

    def by_head(self, projected: Tensor) -> tuple[Tensor, ...]:
        """(…, length, n × heads × head_width) → n times (…, heads, length, head_width)."""
        *batch, _, inner = projected.shape
        # The length is left to be found, because XNNPACK takes no reshape to a size that has a name.
        each = projected.view(*batch, -1, inner // self.shape.head_width, self.shape.head_width).transpose(-3, -2)
        # LiteRT's converter knows no split that leaves one part.
        return (each,) if each.shape[-3] == self.shape.heads else each.split(self.shape.heads, dim=-3)

    def with_attention(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """The residual stream after attention."""
        summed: Tensor = hidden + self.attention_output(attended)
        return summed if self.norm_first else self.attention_norm(summed)

    def activated(self, hidden: Tensor) -> Tensor:
        """What `down` reads: (…, length, neurons), or `hidden` where no neuron is left."""
        if not self.shape.neurons:
            return hidden
        raised: Tensor = self.up(self.feed_forward_input(hidden))
        if not self.gated:
            return self._activation(raised)
        first, second = raised.chunk(2, dim=-1)
        return self._activation(first) * second

    def _activation(self, raised: Tensor) -> Tensor:
        if self.approximation == "relu":
            return functional.relu(raised)
        return functional.gelu(raised, approximate=self.approximation)

    def up_rows(self, neurons: Tensor) -> Tensor:
        """The rows of `up` that make these neurons."""
        return torch.cat([neurons, neurons + self.shape.neurons]) if self.gated else neurons

    def with_feed_forward(self, hidden: Tensor, activated: Tensor) -> Tensor:
        """The residual stream after the feed-forward block: the layer's output."""
        summed: Tensor = hidden + self.down(activated)
        return summed if self.norm_first else self.feed_forward_norm(summed)

    def attention_input(self, hidden: Tensor) -> Tensor:
        """What `query_key_value` reads."""
        return cast(Tensor, self.attention_norm(hidden)) if self.norm_first else hidden

    def feed_forward_input(self, hidden: Tensor) -> Tensor:
        """What `up` reads."""
        return cast(Tensor, self.feed_forward_norm(hidden)) if self.norm_first else hidden


class ReadingLayer(TransformerLayer):
    """A last layer of which only the first `read` tokens are read: it says the same of those, and computes no others.

    All tokens are looked at, as keys and values, but only those that are read ask, and go on from there. It is made
    to be run, from a whole layer whose parts it shares; it cannot be cut or saved.
    """

    def __init__(self, whole: TransformerLayer, read: int) -> None:
        nn.Module.__init__(self)
        self.shape, self.norm_first, self.gated = whole.shape, whole.norm_first, whole.gated
        self.approximation, self.read = whole.approximation, read
        for name, part in whole.named_children():
            if name != "query_key_value":
                self.add_module(name, part)
        for name, values in whole.named_parameters(recurse=False):
            self.register_parameter(name, values)
        for name, buffer in whole.named_buffers(recurse=False):
            self.register_buffer(name, buffer, persistent=False)
        inner = whole.shape.heads * whole.shape.head_width
        if inner:
            self.queries = _rows_of(whole.query_key_value, slice(0, inner))
            self.keys_values = _rows_of(whole.query_key_value, slice(inner, 3 * inner))

    def forward(self, hidden: Tensor, bias: Bias) -> Tensor:
        """(…, length, width) → (…, read, width)."""
        read = self.with_attention(self._first(hidden), self.attended(hidden, bias))
        return self.with_feed_forward(read, self.activated(read))

    def attended(self, hidden: Tensor, bias: Bias) -> Tensor:
        """As a whole layer's, (…, read, heads × head_width)."""
        return super().attended(hidden if self.shape.heads else self._first(hidden), bias)

    def queries_keys_values(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As a whole layer's, with queries of the first tokens alone."""
        normed = self.attention_input(hidden)
        (query,) = self.by_head(self.queries(self._first(normed)))
        key, value = self.by_head(self.keys_values(normed))
        return query, key, value

    def asking(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The first rows; one row that is all tokens' stays as it is."""
        return tuple(each if each.shape[-2] == 1 else self._first(each) for each in tensors)

    def _first(self, hidden: Tensor) -> Tensor:
        return hidden[..., : self.read, :]


class Transformer(nn.Module):
    """Inputs to one hidden vector a token; a family says how inputs are embedded and what closes the stack."""

    shape: TransformerShape
    family: ClassVar[str]

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(TransformerLayer(shape, layer) for layer in shape.layers)

    def embedded(self, *inputs: Tensor | None) -> Tensor:
        """The first residual stream, (…, length, width)."""
        raise NotImplementedError

    def bias(self, *inputs: Tensor | None) -> Bias:
        """What is added to attention scores, (…, 1, 1, length), or more; None where every token counts alike."""
        raise NotImplementedError

    @property
    def tokens_each(self) -> int:
        """How many tokens an example has for each unit of its size: 1 for a text, whose size is its tokens."""
        return 1

    def mask(self, *inputs: Tensor | None) -> Tensor | None:
        """(…, length), 1 for a token and 0 for padding; None where there is no padding."""
        raise NotImplementedError

    def closed(self, hidden: Tensor) -> Tensor:
        """What follows the last layer; by default nothing."""
        return hidden

    def forward(self, *inputs: Tensor | None) -> Tensor:
        """A batch of the family's inputs → (…, length, width)."""
        bias = self.bias(*inputs)
        hidden = self.embedded(*inputs)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return self.closed(hidden)

    def all_hidden(self, *inputs: Tensor | None) -> list[Tensor]:
        """The residual stream before each layer, first to last, and the output: one more than there are layers."""
        bias = self.bias(*inputs)
        states = [self.embedded(*inputs)]
        for layer in self.layers:
            states.append(layer(states[-1], bias))
        return [*states[:-1], self.closed(states[-1])]

    def layer(self, index: int) -> TransformerLayer:
        """One layer, typed."""
        return cast(TransformerLayer, self.layers[index])

    def sliced(self, cuts: Sequence[LayerCut], *, width: Sequence[int] | None = None) -> Self:
        """A new, smaller model that keeps these layers, heads and neurons, in this order.

        `width` names the dimensions of the residual stream that stay; None keeps all.
        """
        for cut in cuts:
            if cut.query_key:
                self.shape.require_whole_heads(len(cut.query_key[0]))
        kept = None if width is None else torch.as_tensor(list(width))
        layers = tuple(_cut_shape(self.layer(cut.layer), cut) for cut in cuts)
        shape = replace(self.shape, layers=layers, width=self.shape.width if width is None else len(width))
        smaller = type(self)(shape)
        with torch.no_grad():
            self.copy_around(smaller, kept)
            for index, cut in enumerate(cuts):
                _copy_layer(self.layer(cut.layer), smaller.layer(index), cut, kept)
        return smaller.train(self.training)

    def copy_around(self, smaller: Self, kept: Tensor | None) -> None:
        """Fill all of `smaller` that is not in its layers; `kept` are the dimensions that stay, None for all."""
        raise NotImplementedError


def copy_linear(
    source: nn.Module, target: nn.Module, *, inputs: Tensor | None = None, outputs: Tensor | None = None
) -> None:
    """Fill a (low-rank or whole) linear map with the columns and rows of another of its kind; None takes all."""
    if isinstance(source, LowRankLinear) and isinstance(target, LowRankLinear):
        copy_linear(source.first, target.first, inputs=inputs)
        copy_linear(source.second, target.second, outputs=outputs)
        return
    if isinstance(target, Constant):
        target.bias.copy_(taken(last_bias(source), outputs))
        return
    rows = taken(cast(Tensor, source.weight), outputs)
    cast(Tensor, target.weight).copy_(rows if inputs is None else rows[:, inputs])
    if source.bias is not None:
        cast(Tensor, target.bias).copy_(taken(cast(Tensor, source.bias), outputs))


def _rows_of(source: nn.Module, rows: slice) -> nn.Module:
    """A linear map, of the same form, that makes only these outputs of another."""
    if isinstance(source, LowRankLinear):
        return nn.Sequential(source.first, _rows_of(source.second, rows))
    weight, bias = cast(Tensor, source.weight)[rows], cast(Tensor, source.bias)[rows]
    target = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        target.weight.copy_(weight)
        target.bias.copy_(bias)
    return target


def matrix(module: nn.Module) -> Tensor:
    """A linear map's whole matrix, (outputs, inputs), be it kept as one or as a product of two."""
    if isinstance(module, LowRankLinear):
        return module.second.weight @ module.first.weight
    return cast(Tensor, module.weight)


def last_bias(module: nn.Module) -> Tensor:
    """What a linear map, of whatever form, adds to its outputs."""
    return cast(Tensor, module.second.bias if isinstance(module, LowRankLinear) else module.bias)


def copy_norm(source: nn.Module, target: nn.Module, kept: Tensor | None) -> None:
    """Fill a layer norm with the dimensions of another that stay."""
    for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
        ours.copy_(taken(theirs, kept))


def taken(values: Tensor, kept: Tensor | None) -> Tensor:
    """The rows that stay; None takes all."""
    return values if kept is None else values[kept]


def _cut_shape(source: TransformerLayer, cut: LayerCut) -> LayerShape:
    whole = source.shape
    head_width = whole.head_width if cut.query_key is None else len(cut.query_key[0]) if cut.query_key else 0
    ranks = dict(whole.ranks)
    for name, size in (("query_key_value", cut.heads), ("attention_output", cut.heads)):
        if not size:
            ranks.pop(name, None)
    for name in ("up", "down"):
        if not cut.neurons:
            ranks.pop(name, None)
    return replace(
        whole,
        heads=len(cut.heads),
        head_width=head_width or whole.head_width,
        neurons=len(cut.neurons),
        ranks=ranks,
        relative=tuple(whole.relative[head] for head in cut.heads) if whole.relative else (),
    )


def _copy_layer(source: TransformerLayer, target: TransformerLayer, cut: LayerCut, kept: Tensor | None) -> None:
    """Fill `target` with what `cut` keeps of `source`; `kept` are the residual dimensions that stay."""
    if cut.heads:
        query_key, value = (_channels(source.shape, cut.heads, each) for each in (cut.query_key, cut.value))
        inner = source.shape.heads * source.shape.head_width
        rows = torch.cat([query_key, query_key + inner, value + 2 * inner])
        copy_linear(source.query_key_value, target.query_key_value, inputs=kept, outputs=rows)
        _keep_scale(source.shape.head_width, target)
        copy_linear(source.attention_output, target.attention_output, inputs=value, outputs=kept)
        _copy_distances(source, target, cut)
    else:
        copy_linear(source.attention_output, target.attention_output, outputs=kept)
    neurons = torch.as_tensor(cut.neurons, dtype=torch.long)
    if cut.neurons:
        copy_linear(source.up, target.up, inputs=kept, outputs=source.up_rows(neurons))
    copy_linear(source.down, target.down, inputs=neurons if cut.neurons else None, outputs=kept)
    copy_norm(source.attention_norm, target.attention_norm, kept)
    copy_norm(source.feed_forward_norm, target.feed_forward_norm, kept)


def _copy_distances(source: TransformerLayer, target: TransformerLayer, cut: LayerCut) -> None:
    """The tables of distances: their heads and channels that stay."""
    if not source.shape.distances:
        return
    heads, width = torch.as_tensor(cut.heads), source.shape.head_width
    channels = torch.as_tensor(cut.query_key or [range(width)] * len(cut.heads))[:, None, :]
    rows = torch.arange(source.shape.distances)[None, :, None]
    target.distance_keys.copy_(source.distance_keys[heads[:, None, None], rows, channels])
    target.distance_queries.copy_(source.distance_queries[heads[:, None, None], rows, channels])


def _channels(shape: LayerShape, heads: Sequence[int], channels: Sequence[Sequence[int]] | None) -> Tensor:
    """The places of the kept heads' kept channels in one of the three parts of `query_key_value`."""
    chosen = channels if channels is not None else [range(shape.head_width)] * len(heads)
    return torch.as_tensor(
        [head * shape.head_width + channel for head, own in zip(heads, chosen, strict=True) for channel in own]
    )


def _keep_scale(head_width: int, target: TransformerLayer) -> None:
    """Scores are divided by the root of the head's width; a narrower head's queries make up for it."""
    if target.shape.head_width == head_width:
        return
    inner = target.shape.heads * target.shape.head_width
    factor = (target.shape.head_width / head_width) ** 0.5
    module = target.query_key_value
    final = module.second if isinstance(module, LowRankLinear) else module
    for values in (final.weight, final.bias):
        cast(Tensor, values)[:inner] *= factor
