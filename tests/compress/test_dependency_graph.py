"""The graph of what depends on what is traced, or the net is refused with the reason."""

import pytest
from torch import Tensor, nn

from edgewright.compress.dependency_graph import dependency_graph
from edgewright.errors import ModelError
from tests.compress.test_channel_groups import net_of


def test_a_convolutions_outputs_go_with_the_inputs_of_the_one_that_reads_them() -> None:
    net = net_of("last_is_convolution")
    graph = dependency_graph(net)
    groups = [
        {(item.dep.target.module, graph.is_out_channel_pruning_fn(item.dep.handler)) for item in group}
        for group in graph.get_all_groups(root_module_types=[nn.Conv2d])
    ]
    wanted = {(net.get_submodule("network.first"), True), (net.get_submodule("network.second"), False)}
    assert [wanted <= group for group in groups].count(True) == 1


def test_a_net_that_cannot_be_traced_is_refused_with_the_reason() -> None:
    net = net_of("last_is_convolution")

    def broken(pixels: Tensor) -> Tensor:
        raise RuntimeError("the weather\nis bad")

    net.network.forward = broken  # type: ignore[union-attr, method-assign, assignment]
    with pytest.raises(ModelError, match="could not be traced: the weather is bad"):
        dependency_graph(net)
