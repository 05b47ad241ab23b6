"""Processors: which cores have the dot product, and which cluster is the default."""

from edgewright.specs.profiles import load_profile, profile_names


def test_the_dot_product_is_where_the_cores_have_it() -> None:
    without = [name for name in profile_names() if not load_profile(name).processor.dot_product.value]
    assert without == [
        *("jetson-nano", "jetson-xavier-nx", "raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-zero-2-w"),
        "x86-64",
    ]


def test_unlike_cores_are_clusters_of_which_the_fastest_is_the_default() -> None:
    processor = load_profile("snapdragon-8-gen-2").processor
    assert [(cluster.core.value, cluster.cores.value) for cluster in processor.clusters] == [
        ("Cortex-X3", 1),
        ("Cortex-A715", 2),
        ("Cortex-A710", 2),
        ("Cortex-A510", 3),
    ]
    assert processor.core.value == "Cortex-X3"
