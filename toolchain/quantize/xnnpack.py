"""int8 for ExecuTorch's XNNPACK delegate, applied to an exported graph.

In:  a float module of one text.
Out: the same module with int8 weights: linear layers per output channel with activations quantised as they come
     (dynamic), embedding tables per row. Normalisation, softmax and pooling stay float.
Turning the graph into a file is `export`'s concern.
"""

from __future__ import annotations

import copy

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


def with_quantized_embeddings(module: nn.Module) -> nn.Module:
    """A copy whose embedding tables that are looked up (not sliced) are int8."""
    smaller = copy.deepcopy(module)
    for parent in list(smaller.modules()):
        table = getattr(parent, "tokens", None)
        if isinstance(table, nn.Embedding):
            parent.tokens = QuantizedEmbedding(table)
    return smaller


def with_dynamic_int8_linears(graph: nn.Module, example: Tensor) -> nn.Module:
    """An exported graph module (`ExportedProgram.module()`) with its linear layers rewritten to int8."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer()
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True))
    observed = prepare_pt2e(graph, quantizer)
    with torch.no_grad():
        observed(example)
    converted: nn.Module = convert_pt2e(observed)
    return converted
