"""Sizes of decoders tell what a cut leaves."""

from dataclasses import replace

from tests import tiny_decoders


def test_a_cut_layer_loses_the_ranks_of_matrices_that_it_has_no_more() -> None:
    layer = replace(tiny_decoders.decoder("llama").shape.layers[0], ranks={"up": 3, "attention_output": 4})
    assert layer.kept(groups=1, neurons=8).ranks == layer.ranks
    assert layer.kept(groups=0, neurons=8).ranks == {"up": 3}
    assert (layer.kept(groups=1, neurons=0).ranks, layer.kept(groups=1, neurons=0).groups) == (
        {"attention_output": 4},
        1,
    )


def test_a_narrower_stream_has_a_larger_mean_of_squares() -> None:
    llama, gpt2 = (tiny_decoders.decoder(name).shape for name in ("llama", "gpt2"))
    assert llama.narrowed(16).norm_epsilon == 2 * llama.norm_epsilon
    assert gpt2.narrowed(16).norm_epsilon == gpt2.norm_epsilon
    assert llama.narrowed(llama.width) == llama


def test_heads_are_told_with_those_that_share_a_key() -> None:
    sizes = tiny_decoders.decoder("llama").shape.layer_sizes
    assert [(each.heads, each.queries, each.head_width, each.neurons) for each in sizes] == [(4, 2, 8, 48)] * 3
