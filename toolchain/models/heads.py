"""Heads as models come with them: read where they were fitted to the task's labels, new where they were not.

In:  a Hugging Face model, its configuration as it came, and the labels in the data's order.
Out: a `Head` whose outputs are in that order, and whether it is fitted.
Fitting a new one is `tasks`' concern; its random numbers are seeded by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from toolchain.errors import UnsupportedModelError
from toolchain.models.families import TEXT
from toolchain.models.model import INNER_ACTIVATIONS, Head, HeadShape

POOLINGS = {"cls": "first", "mean": "mean"}  # as ModernBERT's configuration names them
SEQUENCE, TOKEN, IMAGE = "SequenceClassification", "TokenClassification", "ImageClassification"


def sequence_head(original: Any, described: Any, labels: Sequence[str], width: int) -> tuple[Head, bool]:
    """A score for each label, from the first token through the family's inner layer."""
    head, read = _sequence(original, len(labels), width)
    return _ordered(head, read, described, SEQUENCE, labels)


def value_head(original: Any, described: Any, width: int) -> tuple[Head, bool]:
    """One value, from the first token through the family's inner layer."""
    head, read = _sequence(original, 1, width)
    return head, read and is_fitted(described, SEQUENCE) and len(described.id2label) == 1


def token_head(original: Any, described: Any, labels: Sequence[str], width: int) -> tuple[Head, bool]:
    """A score for each label of each token."""
    if TEXT[original.config.model_type].head.norm:  # its tokens go through the inner layer, too
        head, read = _sequence(original, len(labels), width, pooling="each")
    else:
        head = Head(HeadShape(pooling="each", classes=len(labels)), width)
        read = fill(head, original.state_dict(), {"classifier": "classifier"})
    return _ordered(head, read, described, TOKEN, labels)


def image_head(original: Any, described: Any, labels: Sequence[str], width: int) -> tuple[Head, bool]:
    """A score for each label, from the first token; DeiT's two classifiers, whose mean counts, are one over two."""
    state: dict[str, Tensor] = original.state_dict()
    pooling = "first"
    if "distillation_classifier.weight" in state:
        pooling = "first-two"
        both = [f"{part}_classifier" for part in ("cls", "distillation")]
        state["classifier.weight"] = torch.cat([state[f"{name}.weight"] for name in both], dim=1) / 2
        state["classifier.bias"] = (state[f"{both[0]}.bias"] + state[f"{both[1]}.bias"]) / 2
    head = Head(HeadShape(pooling=pooling, classes=len(labels)), width)
    return _ordered(head, fill(head, state, {"classifier": "classifier"}), described, IMAGE, labels)


def fill(head: Head, state: Mapping[str, Tensor], places: Mapping[str, str]) -> bool:
    """Copy the parts that are found, at `places` of `state` and of the right size; whether that was all of them."""
    complete = True
    with torch.no_grad():
        for name, place in places.items():
            part = head.get_submodule(name)
            for kind, values in part.named_parameters():
                found = state.get(f"{place}.{kind}")
                if found is not None and found.shape == values.shape:
                    values.copy_(found)
                else:
                    complete = False
    return complete


def is_fitted(described: Any, ending: str) -> bool:
    """Whether the configuration is of a model that had such a head when it was written."""
    return any(ending in name for name in described.architectures or ())


def order_of(described: Any, ending: str, labels: Sequence[str]) -> list[int] | None:
    """Which of the model's own classes each label is; None where it was fitted to others or to none."""
    if not is_fitted(described, ending):
        return None
    # Unnamed classes are called LABEL_0, LABEL_1, …, and stand in data as 0, 1, ….
    places = {str(name).removeprefix("LABEL_"): int(place) for place, name in (described.id2label or {}).items()}
    wanted = [label.removeprefix("LABEL_") for label in labels]
    return [places[label] for label in wanted] if sorted(wanted) == sorted(places) else None


def _sequence(original: Any, classes: int, width: int, *, pooling: str | None = None) -> tuple[Head, bool]:
    family, config = TEXT[original.config.model_type], original.config
    places = family.head
    activation = getattr(config, places.setting or "", places.activation)
    if activation not in INNER_ACTIVATIONS:
        what = f"a head with activation {activation!r}, which {places.setting} of config.json asks for,"
        raise UnsupportedModelError(what, supported=tuple(INNER_ACTIVATIONS))
    shape = HeadShape(
        pooling=pooling or POOLINGS[getattr(config, "classifier_pooling", "cls")],
        classes=classes,
        inner=width,
        inner_activation=activation,
        inner_norm=config.norm_eps if places.norm else 0.0,
    )
    head = Head(shape, width)
    state: dict[str, Tensor] = original.state_dict()
    if not hasattr(original, family.wrapped):  # the encoder alone; BERT's has the inner layer already
        state = {f"{family.wrapped}.{name}": values for name, values in state.items()}
    found = {"pooler": places.inner, "classifier": places.output}
    if places.norm:
        found["inner_norm"] = places.norm
        for place in (places.inner, places.norm):  # which may do without
            state.setdefault(f"{place}.bias", torch.zeros(width))
    return head, fill(head, state, found)


def _ordered(head: Head, read: bool, described: Any, ending: str, labels: Sequence[str]) -> tuple[Head, bool]:
    order = order_of(described, ending, labels) if read else None
    if order is not None:
        for part in (head.classifier.weight, head.classifier.bias):
            part.data = part.data[order]
    return head, order is not None
