"""How many images a stage looks at: bounded by the work that a net makes of each."""

from edgewright.stages.images import AFFORDED_MACS, FEWEST_IMAGES, FITTED_IMAGES, affordable


def test_small_nets_are_fitted_to_as_many_images_as_are_wanted() -> None:
    assert affordable(FITTED_IMAGES, {"macs": 2e6}, passes=20) == FITTED_IMAGES


def test_larger_nets_are_fitted_to_fewer_but_never_to_less_than_the_fewest() -> None:
    assert affordable(512, {"macs": AFFORDED_MACS / 1000}, passes=5) == 200
    assert affordable(512, {"macs": 1e12}, passes=50) == FEWEST_IMAGES
    assert affordable(10, {"macs": 1e12}, passes=50) == 10
