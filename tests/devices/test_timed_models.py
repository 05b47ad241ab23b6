"""The models that prices are measured on: what their files take, and what each is timed on."""

from dataclasses import asdict

import numpy as np
import pytest

from edgewright.devices.timed_models import FIXED_LENGTHS, INT8, LENGTHS, LONGEST, PROBES, Filters, Probe, Residual

TEXTS = next(probe for probe in INT8 if probe.name == "encoder 64")
IMAGES = next(probe for probe in INT8 if probe.name == "residual 32 24")


def test_texts_are_of_many_lengths_or_of_those_that_a_runtime_is_given() -> None:
    assert TEXTS.lengths("executorch") == LENGTHS
    assert TEXTS.shapes("executorch") == 1
    assert TEXTS.lengths("litert") == TEXTS.fixed
    assert TEXTS.fixed in FIXED_LENGTHS
    assert TEXTS.shapes("litert") == len(TEXTS.fixed)
    assert [len(ids) for ids in TEXTS.inputs("litert")] == list(TEXTS.fixed)
    own = Probe(name="own", model=TEXTS.model, texts=(9, 11))
    assert own.lengths("executorch") == own.lengths("litert") == (9, 11)


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_images_are_one_of_the_size_that_the_model_takes(runtime: str) -> None:
    assert IMAGES.lengths(runtime) == (0,)
    assert IMAGES.shapes(runtime) == 1
    assert np.asarray(IMAGES.inputs(runtime)).shape == (1, 32, 32, 3)
    assert IMAGES.spec(runtime).example().shape == (1, 32, 32, 3)


def test_static_scales_are_taken_from_bytes_of_all_values() -> None:
    calibration = np.asarray(IMAGES.model.calibration())
    assert calibration.dtype == np.uint8
    assert calibration.shape[1:] == (32, 32, 3)
    assert calibration.min() < 8
    assert calibration.max() > 247
    assert len(TEXTS.model.calibration()) == 0


def test_a_file_is_kept_under_the_sizes_of_its_model_alone() -> None:
    assert asdict(Filters(side=8, channels=16, repeats=3)) == {"side": 8, "channels": 16, "repeats": 3}
    assert "lengths" not in asdict(Residual(side=12, colours=1, channels=8, repeats=3))


def test_every_probe_has_a_name_of_its_own_and_computes_something() -> None:
    assert len({probe.name for probe in INT8}) == len(INT8)
    assert set(PROBES["float"]) <= set(INT8)
    for probe in (TEXTS, IMAGES):
        assert probe.structure("executorch").weights > 0
    assert max(LENGTHS) <= LONGEST
