"""int8 for ExecuTorch's XNNPACK delegate, applied to an exported graph.

In:  a float module of one text.
Out: the same module with int8 weights: linear layers per output channel with activations quantised as they come
     (dynamic), embedding tables per row. Normalisation, softmax and pooling stay float.
Turning the graph into a file is `export`'s concern.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

LARGEST = 127


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


def with_quantized_embeddings(module: nn.Module, *, kept_float: Sequence[str] = ()) -> nn.Module:
    """A copy whose embedding tables are int8, but for those at the places `kept_float`."""
    smaller = copy.deepcopy(module)
    tables = {name: part for name, part in smaller.named_modules() if isinstance(part, nn.Embedding)}
    for name, table in tables.items():
        if name not in kept_float:
            smaller.set_submodule(name, QuantizedEmbedding(table))
    return smaller


def with_dynamic_int8_linears(graph: nn.Module, example: Tensor, *, kept_float: Sequence[str] = ()) -> nn.Module:
    """An exported graph module (`ExportedProgram.module()`) with its linear layers rewritten to int8.

    Those stay float that came from the places `kept_float` of the module that was exported.
    """
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer.utils import get_module_name_filter

    quantizer = XNNPACKQuantizer()
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True))
    spared = [get_module_name_filter(name) for name in kept_float]
    quantizer.set_filter_function(lambda node: not any(comes_from(node) for comes_from in spared))
    observed = prepare_pt2e(graph, quantizer)
    with torch.no_grad():
        observed(example)
    converted: nn.Module = convert_pt2e(observed)
    return converted
