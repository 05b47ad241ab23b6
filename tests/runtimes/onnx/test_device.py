"""Which members of the wheel a device gets, and which variant a machine."""

from edgewright.runtimes.onnx.device import PROVIDER
from tests.runtimes.python_providers import require_members, require_variants


def test_of_its_wheel_a_device_gets_what_running_a_model_opens() -> None:
    require_members(
        PROVIDER, "onnxruntime", kept="onnxruntime/capi/_pybind_state.py", left_out="onnxruntime/tools/convert.py"
    )


def test_a_machine_gets_the_variant_that_it_can_run_or_is_told_of_the_runtime_that_brings_its_own_library() -> None:
    require_variants(PROVIDER)
