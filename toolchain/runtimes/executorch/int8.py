"""int8 for ExecuTorch's XNNPACK delegate, applied to an exported graph.

In:  a float module of one text or image.
Out: the same module with int8 weights: embedding tables per row; linear layers per output channel, in int4 where that
     is wanted, with activations quantised dynamically, or everything XNNPACK has int8 kernels for,
     convolutions too, with activations on scales that examples need (static). Normalisation and softmax
     stay float.
Turning a graph into a file is `executorch.export`'s concern.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from edgewright.quantize.ranges import DEFAULT, Calibration, ObservedValues
from edgewright.quantize.simulated import INT4

LARGEST = 127
LEAST_SCALE = 2**-12  # as the quantiser itself has it


class QuantizedEmbedding(nn.Module):
    """A table of int8 rows, each with its own scale, read by ExecuTorch's `embedding_byte` operator."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        import executorch.exir.passes._quant_patterns_and_replacements
        import executorch.kernels.quantized  # noqa: F401  both register the operator

        weight = table.weight.detach()
        scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
        self.register_buffer("rows", (weight / scales[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8))
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
