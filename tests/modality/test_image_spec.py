"""Images as an artifact takes them: bytes of one shape."""

import numpy as np
import pytest
from torch import nn

from edgewright.errors import InputError
from edgewright.modality.framing import Framing
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.models.image import Scaling

SPEC = ImageInputSpec(height=8, width=6, channels=3)


def test_images_of_a_call_lie_behind_each_other() -> None:
    arrays = SPEC.arrays(np.zeros((2, 8, 6, 3), dtype=np.uint8), "int64")
    assert arrays["pixels"].shape == (2, 8, 6, 3)
    (tensor,) = SPEC.tensors(fixed_shapes=True, index_dtype="int32")
    assert (tensor.dtype, tensor.shape) == ("uint8", (1, 8, 6, 3))


def test_what_a_stage_depends_on_are_sizes_alone() -> None:
    scaling = Scaling(height=8, width=6, mean=(0.0,) * 3, deviation=(1.0,) * 3)
    scaled = ImageInputSpec(height=8, width=6, channels=3, scaling=scaling)
    assert scaled.settings() == {"batch": 1, "lengths": (), "height": 8, "width": 6, "channels": 3}


def test_what_a_manifest_says_are_sizes_and_how_pictures_were_framed() -> None:
    framing = {"resize": None, "shortest": 10, "crop": (8, 6), "resample": "bicubic"}
    facts = SPEC.facts({"framing": framing, "parts": {}})
    assert facts == {"height": 8, "width": 6, "channels": 3, "framing": framing}
    again = ImageInputSpec.from_facts({"max_length": 0, "tags": 0, **facts})
    assert (again.shape, again.framing) == (SPEC.shape, Framing(shortest=10, crop=(8, 6), resample="bicubic"))
    assert again.settings() == SPEC.settings()
    with pytest.raises(InputError, match=r"the framing\.crop\.0 of the inputs: "):
        ImageInputSpec.from_facts({**facts, "framing": {**framing, "crop": (0, 6)}})


def test_pictures_of_another_shape_are_refused_as_examples() -> None:
    model, fine = nn.Identity(), np.zeros((2, 8, 6, 3), dtype=np.uint8)
    assert SPEC.checked(model, fine) is fine
    for wrong in (fine[..., :1], fine.transpose(0, 2, 1, 3), fine.astype(np.float32)):
        with pytest.raises(InputError, match="takes bytes of 8 × 6 × 3"):
            SPEC.checked(model, wrong)
