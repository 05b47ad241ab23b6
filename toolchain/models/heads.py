"""Heads as models come with them: read where they were fitted to the task's labels, new where they were not.

In:  a Hugging Face model, its configuration as it came, and the labels in the data's order.
Out: a `FoundHead`: a `Head` whose outputs are in that order, whether it is fitted, and the reason in a sentence.
Fitting a new one is `tasks`' concern; its random numbers are seeded by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewright.errors import UnsupportedModelError
from edgewright.models.layouts import TEXT
from edgewright.models.model import INNER_ACTIVATIONS, Head, HeadShape
from edgewright.models.transformers_types import TransformersConfig, config_of

POOLINGS = {"cls": "first", "mean": "mean"}  # as ModernBERT's configuration names them
SEQUENCE, TOKEN, IMAGE = "SequenceClassification", "TokenClassification", "ImageClassification"
AS_IT_IS, NEW = "head taken as it is", "head new, because"
SHOWN = 6
SEVERAL = "multi_label_classification"  # transformers' problem_type
UNNAMED = "LABEL_"  # what transformers calls a class that nobody named


@dataclass(frozen=True, kw_only=True)
class FoundHead:
    """A head, whether it came fitted with the model, a note on that, and the model's class of each output."""

    head: Head
    fitted: bool
    note: str
    places: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which of the model's own classes each label is, or None where that cannot be known; and why."""

    places: list[int] | None
    note: str


def sequence_head(original: nn.Module, config: TransformersConfig, labels: Sequence[str], width: int) -> FoundHead:
    """A score for each label, from the first token through the family's inner layer."""
    head, read = _sequence(original, len(labels), width)
    return _ordered(head, read, config, SEQUENCE, labels)


def value_head(original: nn.Module, config: TransformersConfig, width: int) -> FoundHead:
    """One value, from the first token through the family's inner layer."""
    head, read = _sequence(original, 1, width)
    outputs = len(config.labels)
    if reason := _unfitted(config, SEQUENCE):
        return FoundHead(head=head, fitted=False, note=f"{NEW} {reason}")
    if outputs != 1:
        return FoundHead(head=head, fitted=False, note=f"{NEW} the model's has {outputs} outputs, and a value is one")
    if not read:
        return FoundHead(head=head, fitted=False, note=f"{NEW} the model's has other parts than its family's")
    return FoundHead(head=head, fitted=True, note=f"{AS_IT_IS}: one value")


def token_head(original: nn.Module, config: TransformersConfig, labels: Sequence[str], width: int) -> FoundHead:
    """A score for each label of each token."""
    if TEXT[config_of(original).model_type].head.norm:  # its tokens go through the inner layer, too
        head, read = _sequence(original, len(labels), width, pooling="each")
    else:
        head = Head(HeadShape(pooling="each", classes=len(labels)), width)
        read = fill(head, original.state_dict(), {"classifier": "classifier"})
    return _ordered(head, read, config, TOKEN, labels)


def image_head(original: nn.Module, config: TransformersConfig, labels: Sequence[str], width: int) -> FoundHead:
    """A score for each label, from the first token; DeiT's two classifiers, whose mean counts, are one over two."""
    state: dict[str, Tensor] = original.state_dict()
    pooling = "first"
    if "distillation_classifier.weight" in state:
        pooling = "first-two"
        both = [f"{part}_classifier" for part in ("cls", "distillation")]
        state["classifier.weight"] = torch.cat([state[f"{name}.weight"] for name in both], dim=1) / 2
        state["classifier.bias"] = (state[f"{both[0]}.bias"] + state[f"{both[1]}.bias"]) / 2
    head = Head(HeadShape(pooling=pooling, classes=len(labels)), width)
    return _ordered(head, fill(head, state, {"classifier": "classifier"}), config, IMAGE, labels)


def fill(head: Head, state: Mapping[str, Tensor], places: Mapping[str, str]) -> bool:
    """Copy the parts that are there, at `places` of `state` and of the right size; whether that was all of them."""
    complete = True
    with torch.no_grad():
        for name, place in places.items():
            part = head.get_submodule(name)
            for kind, values in part.named_parameters():
                read = state.get(f"{place}.{kind}")
                if read is not None and read.shape == values.shape:
                    values.copy_(read)
                else:
                    complete = False
    return complete


def order_of(config: TransformersConfig, ending: str, labels: Sequence[str]) -> Order:
    """Which of the model's own classes each label is: by name, by name in another case, or by number.

    The note says which, or why neither is possible: the model was fitted to other classes or to none.
    """
    if reason := _unfitted(config, ending):
        return Order(places=None, note=f"{NEW} {reason}")
    names = config.labels
    own = [names[place] for place in sorted(names)]
    if len(own) != len(labels):
        return Order(
            places=None,
            note=f"{NEW} the model has {len(own)} classes ({_shown(own)}) and the data {len(labels)} "
            f"({_shown(labels)})",
        )
    for way, read in _WAYS.items():
        places = read(names, labels)
        if places is not None:
            matched = [f"{label} is {names[place]}" for label, place in zip(labels, places, strict=True)]
            differs = any(label != names[place] for label, place in zip(labels, places, strict=True))
            note = f", its classes matched to the labels {way}" + (f": {_shown(matched)}" if differs else "")
            return Order(places=places, note=AS_IT_IS + note)
    return Order(
        places=None,
        note=f"{NEW} the model's classes ({_shown(own)}) are not the data's labels ({_shown(labels)}); name them alike "
        "in config.json's id2label, or number the data's labels as the model does, to keep it",
    )


def in_standard_units(head: Head, *, mean: float, std: float) -> Head:
    """The head of a value whose output is (value - mean) / std of what this one says, which is in its own units."""
    with torch.no_grad():
        head.classifier.weight /= std
        head.classifier.bias.copy_((head.classifier.bias - mean) / std)
    return head


def _unfitted(config: TransformersConfig, ending: str) -> str:
    """Why a configuration is not that of a model with such a head; empty where it is."""
    if any(ending in name for name in config.architectures):
        return ""
    classes = ", ".join(config.architectures)
    return f"the model has none fitted for this task ({classes or 'config.json names no architectures'})"


def _by_name(names: Mapping[int, str], labels: Sequence[str]) -> list[int] | None:
    return _matched({name: place for place, name in names.items()}, labels)


def _by_case(names: Mapping[int, str], labels: Sequence[str]) -> list[int] | None:
    folded = {name.casefold().strip(): place for place, name in names.items()}
    wanted = [label.casefold().strip() for label in labels]
    return _matched(folded, wanted) if len(folded) == len(names) else None


def _by_number(names: Mapping[int, str], labels: Sequence[str]) -> list[int] | None:
    """Labels 0, 1, … are the model's classes by number; so are LABEL_0, LABEL_1, …, on either side."""
    places = {str(place): place for place in names}
    return _matched(places, [label.strip().removeprefix(UNNAMED) for label in labels])


def _matched(places: Mapping[str, int], labels: Sequence[str]) -> list[int] | None:
    return [places[label] for label in labels] if sorted(labels) == sorted(places) else None


_WAYS = {"by name": _by_name, "by name in another case": _by_case, "by number": _by_number}


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _sequence(original: nn.Module, classes: int, width: int, *, pooling: str | None = None) -> tuple[Head, bool]:
    config = config_of(original)
    family = TEXT[config.model_type]
    places = family.head
    activation = config.value(places.setting, places.activation) if places.setting else places.activation
    if not isinstance(activation, str) or activation not in INNER_ACTIVATIONS:
        what = f"a head with activation {activation!r}, which {places.setting} of config.json asks for,"
        raise UnsupportedModelError(what, supported=tuple(INNER_ACTIVATIONS))
    shape = HeadShape(
        pooling=pooling or POOLINGS[config.text("classifier_pooling", "cls")],
        classes=classes,
        inner=width,
        inner_activation=activation,
        inner_norm=config.number("norm_eps") if places.norm else 0.0,
    )
    head = Head(shape, width)
    state: dict[str, Tensor] = original.state_dict()
    if not hasattr(original, family.wrapped):  # the encoder alone; BERT's has the inner layer already
        state = {f"{family.wrapped}.{name}": values for name, values in state.items()}
    parts = {"pooler": places.inner, "classifier": places.output}
    if places.norm:
        parts["inner_norm"] = places.norm
        for place in (places.inner, places.norm):  # which may do without
            state.setdefault(f"{place}.bias", torch.zeros(width))
    return head, fill(head, state, parts)


def _ordered(head: Head, read: bool, config: TransformersConfig, ending: str, labels: Sequence[str]) -> FoundHead:
    order = order_of(config, ending, labels)
    if order.places is None:
        return FoundHead(head=head, fitted=False, note=order.note)
    if not read:
        note = f"{NEW} the model's has other parts than its family's, or was not in its weights"
        return FoundHead(head=head, fitted=False, note=note)
    for part in (head.classifier.weight, head.classifier.bias):
        part.data = part.data[order.places]
    note = order.note
    if config.value("problem_type") == SEVERAL:
        note += "; it was fitted to give several labels at once, and of each text the highest alone is taken"
    return FoundHead(head=head, fitted=True, note=note, places=tuple(order.places))
