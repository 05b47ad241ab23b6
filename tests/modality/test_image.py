"""How many images a stage looks at: bounded by the work that a net makes of each."""

from edgewright.modality.image import AFFORDED_MACS, FEWEST_IMAGES, IMAGE, affordable


def test_small_nets_are_fitted_to_as_many_images_as_are_wanted() -> None:
    assert affordable(IMAGE.fitted_count, macs=2e6, passes=20) == IMAGE.fitted_count


def test_larger_nets_are_fitted_to_fewer_but_never_to_less_than_the_fewest() -> None:
    assert affordable(512, macs=AFFORDED_MACS / 1000, passes=5) == 200
    assert affordable(512, macs=1e12, passes=50) == FEWEST_IMAGES
    assert affordable(10, macs=1e12, passes=50) == 10
