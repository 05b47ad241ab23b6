"""A runtime as a package of one's own has it: programs of `torch.export`, run by PyTorch, in one file.

Its entry point is `programs = "programs_runtime:DESCRIPTOR"` in the group `edgewright.runtimes`. Recipes and profiles
name it as they name ours. An artifact is an archive (`.pt2`) of graph and tensors, which is read without pickle, with
its signature in it; int8 keeps weights in 8 bits, a scale for each channel, and computes in float. Pushed to a machine,
this file is also the program that runs a job there, beside Edgewright's own runner in Python.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

if __name__ != "__main__":  # on a machine where this is the program that runs a job there is no Edgewright
    from importlib.resources import files

    from edgewright.errors import TargetError
    from edgewright.runtimes.descriptor import Runtime, System, Variant

NAME, SIGNATURE = "programs", "signature.json"
RUNNER = ("python_runner.py", "generation.py", "job_reading.py", "machine_watch.py")  # of Edgewright's device_scripts


def opened(file: Path) -> tuple[Any, dict[str, Any]]:
    """The module of an archive, and the document of its signature."""
    import torch

    extra = {SIGNATURE: ""}
    program = torch.export.load(file, extra_files=extra)
    return program.module(), json.loads(extra[SIGNATURE])


def backend() -> type[Any]:
    """What Edgewright's runner in Python asks of a runtime: a version, an interface, and runs."""
    from python_runner import Backend, cannot_load

    class Programs(Backend):  # type: ignore[misc]
        name = NAME

        def __init__(self, job: dict[str, Any]) -> None:
            import torch

            super().__init__(job)
            torch.set_num_threads(job["threads"])
            self.torch, self.version = torch, torch.__version__.partition("+")[0]

        def load(self, calls: object) -> None:
            """The module, and what its one method takes and gives."""
            try:
                self.module, signature = opened(self.job["artifact"])
            except Exception as error:  # whatever a file that is no archive makes of its reader
                raise cannot_load(error) from None
            self.methods = {
                method["name"]: tuple(
                    {each["name"]: (each["dtype"], each["shape"]) for each in method[side]}
                    for side in ("inputs", "outputs")
                )
                for method in signature["methods"]
            }

        def interface(self, entry: str) -> Any:
            """({input: (dtype, shape)}, {output: …}) of a method."""
            if entry not in self.methods:
                raise cannot_load(f"there is no entry {entry!r}; there are {sorted(self.methods)}")
            return self.methods[entry]

        def fits(self, size: int, allowed: Any) -> bool:
            """Whether an axis may have this size."""
            return size == allowed if isinstance(allowed, int) else allowed["least"] <= size <= allowed["most"]

        def size_text(self, size: Any) -> str:
            """How a message names the size of an axis."""
            return str(size) if isinstance(size, int) else f"{size['least']} to {size['most']}"

        def bound(self, call: Any) -> Callable[[], list[Any]]:
            """A function that makes the call and gives its outputs in order: that is what is timed."""
            module, torch, given_names = self.module, self.torch, list(self.methods[call.entry][1])
            tensors = [torch.from_numpy(each.array.copy()) for each in call.inputs]

            def run() -> list[Any]:
                with torch.no_grad():
                    given = dict(zip(given_names, as_tuple(module(*tensors)), strict=True))
                return [given[name].numpy() for name in call.outputs]

            return run

        @staticmethod
        def outputs(call: Any, given: list[Any]) -> list[Any]:
            """What a call gave, in the order that it names its outputs."""
            return given

        def reset(self) -> None:
            """The state as it is at first."""
            self.reset_state()

    return Programs


def as_tuple(given: Any) -> tuple[Any, ...]:
    """The outputs of a module that may have one."""
    return given if isinstance(given, tuple) else (given,)


class ThisInterpreter:
    """Jobs run by the interpreter that runs this, with the PyTorch that it has."""

    machines = (platform.machine(),)
    in_python = True
    brings_c_library = False
    least_glibc = "2.28"

    def provide(self, variant: Variant) -> Any:
        """The runner and this file."""
        import torch

        from edgewright.runtimes.device import DeviceRuntime

        scripts = files("edgewright.device_scripts")
        return DeviceRuntime(
            name=NAME,
            version=torch.__version__.partition("+")[0],
            files={**{name: Path(str(scripts / name)) for name in RUNNER}, Path(__file__).name: Path(__file__)},
            argv=("env", "OMP_NUM_THREADS=1", sys.executable, f"{{runtime}}/{Path(__file__).name}", "{job}"),
        )

    def variant_for(self, system: System) -> Variant:
        """This machine alone. Raises `TargetError` for another."""
        if not system.is_host:
            raise TargetError(f"{NAME} run where PyTorch is, so on local: alone, not on {system.address}")
        return Variant(machine=system.machine)


def write_float(source: Any, file: Path) -> None:
    """Export the method and write its program with its signature."""
    import torch

    from edgewright.runtimes.export_input import exported

    with torch.no_grad():
        program = exported(source.module.eval(), source.forward)
    program.example_inputs = None  # they would be kept as a pickle
    torch.export.save(program, file, extra_files={SIGNATURE: source.signature.model_dump_json()})


def write_int8(source: Any, float_file: Path, file: Path, asked: Any) -> Mapping[str, Any]:
    """The same with weights of 8 bits, but for the parts that are kept float."""
    import copy
    from dataclasses import replace

    module = copy.deepcopy(source.module)
    chosen = [name for name in source.parts() if name not in asked.excluded]
    for name in chosen:
        narrow(module.get_submodule(source.at(name)))
    write_float(replace(source, module=module), file)
    return {"narrowed": len(chosen)}


def narrow(part: Any) -> None:
    """Keep a part's weight as whole numbers from -127 to 127, and a scale for each of its first axis."""
    import torch
    from torch.nn.utils import parametrize

    class Narrow(torch.nn.Module):
        def __init__(self, weight: torch.Tensor) -> None:
            super().__init__()
            shape = (-1, *[1] * (weight.ndim - 1))
            self.register_buffer("scale", (weight.flatten(1).abs().amax(dim=1).clamp_min(1e-12) / 127).reshape(shape))

        def forward(self, whole: torch.Tensor) -> torch.Tensor:
            return whole.to(torch.float32) * self.scale

        def right_inverse(self, weight: torch.Tensor) -> tuple[torch.Tensor]:
            return ((weight / self.scale).round().to(torch.int8),)

    part.weight.requires_grad_(False)
    parametrize.register_parametrization(part, "weight", Narrow(part.weight.detach()), unsafe=True)


def session(file: Path, signature: Any) -> Callable[[Any], dict[str, Any]]:
    """The program in this process: a call to its outputs by their names."""
    import torch

    from edgewright.runtimes.export_input import tensors_of

    module, _ = opened(file)

    def run(call: Any) -> dict[str, Any]:
        with torch.no_grad():
            given = as_tuple(module(*tensors_of(call.inputs)))
        names = [each.name for each in signature.method(call.method).outputs]
        return {name: each.numpy() for name, each in zip(names, given, strict=True)}

    return run


if __name__ == "__main__":
    import python_runner

    python_runner.BACKENDS[NAME] = backend()
    sys.exit(python_runner.main([NAME, *sys.argv[1:]]))
else:
    DESCRIPTOR = Runtime(
        name=NAME,
        suffix=".pt2",
        stem="program",
        fixed_shapes=False,
        takes_batches=False,
        int8_of_float_file=False,
        packages=("torch",),
        provider=ThisInterpreter(),
        write_float=write_float,
        schemes=dict.fromkeys(("dynamic-int8", "static-int8"), write_int8),
        session=session,
    )
