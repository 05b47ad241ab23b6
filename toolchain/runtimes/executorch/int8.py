"""int8 for ExecuTorch's XNNPACK delegate, applied to an exported graph.

In:  a float module of one text or image.
Out: the same module with int8 weights: embedding tables per row; linear layers per output channel, where that is
     wanted in int4 and in groups of inputs, with activations quantised dynamically, or everything XNNPACK has int8
     kernels for, convolutions too, with activations on scales that examples need (static). Normalisation and softmax
     stay float.
Turning a graph into a file is `executorch.export`'s concern.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgewright.quantize.ranges import DEFAULT, Calibration, ObservedValues
from edgewright.quantize.simulated import INT4

LARGEST = 127
LEAST_SCALE = 2**-12  # as the quantiser itself has it
LEAST_LARGEST = 1e-30  # of a row of a table, whose scale is to have an inverse


class QuantizedEmbedding(nn.Module):
    """A table of int8 rows, each with its own scale, read by ExecuTorch's `embedding_byte` operator."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        import executorch.exir.passes._quant_patterns_and_replacements
        import executorch.kernels.quantized  # noqa: F401  both register the operator

        weight = table.weight.detach()
        scales = weight.abs().amax(dim=1).clamp(min=LEAST_LARGEST) / LARGEST
        # Rounded as the quantiser rounds a matrix, so that a table that is one, too, is in the file once.
        rows = (weight * (1.0 / scales[:, None])).round().clamp(-LARGEST, LARGEST)
        self.register_buffer("rows", rows.to(torch.int8))
        self.register_buffer("scales", scales)

    def forward(self, ids: Tensor) -> Tensor:
        """(…,) ids → (…, width)."""
        rows: Tensor = torch.ops.quantized_decomposed.embedding_byte(
            self.rows, self.scales, None, -LARGEST - 1, LARGEST, ids
        )
        return rows


def with_quantized_embeddings(module: nn.Module, *, excluded: Sequence[str] = ()) -> nn.Module:
    """A copy whose embedding tables are int8, but for those at the places `excluded`."""
    smaller = copy.deepcopy(module)
    tables = {name: part for name, part in smaller.named_modules() if isinstance(part, nn.Embedding)}
    for name, table in tables.items():
        if name not in excluded:
            smaller.set_submodule(name, QuantizedEmbedding(table))
    return smaller


def with_grouped_int4(module: nn.Module, places: Sequence[str], *, group: int) -> nn.Module:
    """A copy whose linear layers at these places have int4 weights with a scale for each `group` of inputs.

    What they read is quantised dynamically, a token at a time. Inputs must be a multiple of the group.
    """
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, quantize_
    from torchao.quantization.granularity import PerGroup

    smaller = copy.deepcopy(module)
    for place in places:  # not shared with a table that stays as it is
        part = cast(nn.Linear, smaller.get_submodule(place))
        part.weight = nn.Parameter(part.weight.detach().clone(), requires_grad=False)
    config = Int8DynamicActivationIntxWeightConfig(
        weight_dtype=torch.int4,  # type: ignore[attr-defined]  # which torch's stubs lack
        weight_granularity=PerGroup(group),
    )
    quantize_(smaller, config, filter_fn=lambda _, place: place in places)
    return smaller


def in_groups(module: nn.Module, places: Sequence[str], group: int | None) -> list[str]:
    """Those of the linear layers at these places whose inputs are a multiple of a group."""
    if group is None:
        return []
    return [place for place in places if cast(nn.Linear, module.get_submodule(place)).in_features % group == 0]


def with_int8(
    graph: nn.Module,
    examples: Sequence[Sequence[Tensor]],
    *,
    static: bool = False,
    calibration: Calibration = DEFAULT,
    products_only: bool = False,
    excluded: Sequence[str] = (),
    int4: Sequence[str] = (),
) -> nn.Module:
    """An exported graph module (`ExportedProgram.module()`) rewritten to int8.

    Static scales come from the `examples` by the `calibration`; with `products_only` those are what layers with weights
    read and give. Dynamic ones need one example, whatever it says. Those parts stay float that came from the places
    `excluded` of the module that was exported; linear layers at the places `int4` get such weights, where scales are
    dynamic.
    """
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer.utils import get_module_name_filter

    quantizer = XNNPACKQuantizer()
    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=not static)
    if static:
        config = replace(
            config,
            input_activation=replace(config.input_activation, observer_or_fake_quant_ctr=_observer(calibration)),
            output_activation=replace(config.output_activation, observer_or_fake_quant_ctr=_observer(calibration)),
        )
    if products_only:
        for operator in (torch.ops.aten.linear.default, torch.ops.aten.conv2d.default):
            quantizer.set_operator_type(operator, config)
    else:
        quantizer.set_global(config)
    for place in int4:
        narrow = get_symmetric_quantization_config(
            is_per_channel=True, is_dynamic=True, weight_qmin=INT4[0], weight_qmax=INT4[1]
        )
        quantizer.set_module_name(place, narrow)
    spared = [get_module_name_filter(name) for name in excluded]
    quantizer.set_filter_function(lambda node: not any(comes_from(node) for comes_from in spared))
    observed = prepare_pt2e(graph, quantizer)
    with torch.no_grad():
        for example in examples if static else examples[:1]:
            observed(*example)
    converted: nn.Module = convert_pt2e(observed)
    return converted


def _observer(calibration: Calibration) -> Any:
    """What makes the scale of an activation, as torchao takes it."""
    from torchao.quantization.pt2e.observer import UniformQuantizationObserverBase

    class Observer(UniformQuantizationObserverBase):  # type: ignore[misc]  # torchao is not typed
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.seen = ObservedValues()

        def forward(self, values: Tensor) -> Tensor:
            self.seen.add(values)
            return values

        def calculate_qparams(self) -> tuple[Tensor, Tensor]:
            low, high = self.seen.range(calibration)
            scale, zero = self._calculate_qparams(torch.tensor(low), torch.tensor(high))
            return scale, zero

    return Observer.with_args(eps=LEAST_SCALE)
