"""A small model of several methods, inputs of unlike dtypes and state, as an artifact of each runtime, and in torch.

`write` keeps a row in a cache and says what the cache holds; `read` says it of some rows, and counts the reads in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.specs.signature import Array, Call, Method, Signature, Tensor
from tests.device_scripts.artifacts import Artifact, folder

ROWS, WIDTH = 4, 3
STATE = (
    Tensor(name="kv", dtype="float32", shape=(ROWS, WIDTH)),
    Tensor(name="reads", dtype="int32", shape=(1,)),
)
WRITE = Method(
    name="write",
    inputs=(
        Tensor(name="place", dtype="int32", shape=(1,)),
        Tensor(name="row", dtype="float32", shape=(1, WIDTH)),
    ),
    outputs=(Tensor(name="total", dtype="float32", shape=(1, WIDTH)),),
    state=("kv", "reads"),
)
READ = Method(
    name="read",
    inputs=(
        Tensor(name="wanted", dtype="bool", shape=(ROWS, 1)),
        Tensor(name="scale", dtype="int32", shape=(1, 1, 1)),
    ),
    outputs=(
        Tensor(name="values", dtype="float32", shape=(1, ROWS, WIDTH)),
        Tensor(name="positive", dtype="bool", shape=(ROWS, WIDTH)),
        Tensor(name="count", dtype="int32", shape=(1,)),
    ),
    state=("kv", "reads"),
)
SIGNATURE = Signature(methods=(WRITE, READ), state=STATE)


def write(place: Any, row: Any, kv: Any, reads: Any) -> tuple[Any, ...]:
    import torch

    here = (torch.arange(ROWS).unsqueeze(1) == place).to(torch.float32)
    kept = kv * (1 - here) + here * row
    return kept.sum(0, keepdim=True), kept, reads + 0


def read(wanted: Any, scale: Any, kv: Any, reads: Any) -> tuple[Any, ...]:
    import torch

    values = kv * wanted.to(torch.float32) * scale.to(torch.float32)
    return values, kv > 0, reads + 1, kv * 1.5, reads + 1


METHODS: dict[str, tuple[Method, Callable[..., tuple[Any, ...]]]] = {"write": (WRITE, write), "read": (READ, read)}


def module(name: str, *, named: bool = False) -> Any:
    """The method as a module that is exported; with `named` it takes and gives its tensors by name."""
    import torch

    method, function = METHODS[name]
    given = [*(each.name for each in method.outputs), *method.state]

    class Positional(torch.nn.Module):
        def forward(self, *tensors: Any) -> Any:
            return function(*tensors)

    class Named(torch.nn.Module):
        def forward(self, **tensors: Any) -> Any:
            return dict(zip(given, function(**tensors), strict=True))

    return (Named() if named else Positional()).eval()


def examples(name: str) -> dict[str, Any]:
    """A tensor of each input and state of a method, by name."""
    import torch

    specs = [*METHODS[name][0].inputs, *STATE]
    return {each.name: torch.zeros(each.shape, dtype=getattr(torch, each.dtype)) for each in specs}


@cache
def executorch_artifact() -> Artifact:
    from torch.export import export

    programs = {name: export(module(name), tuple(examples(name).values()), strict=False) for name in METHODS}
    return Artifact(runtime="executorch", path=lowered(programs, folder() / "stateful.pte"), lengths=())


def lowered(programs: dict[str, Any], path: Path, **config: Any) -> Path:
    """An ExecuTorch program of these methods."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(
        programs, partitioner=[XnnpackPartitioner()], compile_config=EdgeCompileConfig(_check_ir_validity=False)
    )
    path.write_bytes(edge.to_executorch(ExecutorchBackendConfig(**config)).buffer)
    return path


@cache
def buffered_artifact(*, initial: bool) -> Artifact:
    """An ExecuTorch program that adds up what it is given in buffers of its own, from 0 or from `INITIAL` on."""
    from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass
    from torch.export import export

    example = torch_ones()
    programs = {name: export(adding(name, initial=initial), (example,), strict=False) for name in ("add", "subtract")}
    path = folder() / f"buffered-{initial}.pte"
    passes = [InitializedMutableBufferPass(["total"])] if initial else []
    return Artifact(runtime="executorch", path=lowered(programs, path, passes=passes), lengths=())


INITIAL = (10.0, 20.0, 30.0)


def torch_ones() -> Any:
    import torch

    return torch.ones(1, WIDTH)


def adding(name: str, *, initial: bool) -> Any:
    """A module that adds up or subtracts in a buffer that it registers, and gives twice of it."""
    import torch

    sign = 1 if name == "add" else -1

    class Adding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.tensor([INITIAL]) if initial else torch.zeros(1, WIDTH))

        def forward(self, row: Any) -> Any:
            self.total.add_(sign * row)
            return self.total * 2

    return Adding().eval()


DTYPES = ("bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64")


def turned(*tensors: Any) -> tuple[Any, ...]:
    """Each tensor turned round, in the reverse order."""
    return tuple(each.transpose(-1, -2).contiguous() for each in reversed(tensors))


@cache
def every_dtype_artifact(runtime: str) -> tuple[Artifact, tuple[str, ...]]:
    """A program of a method "forward" with a tensor of each dtype that the runtime knows, and those dtypes."""
    import litert_torch
    import torch
    from torch.export import export

    dtypes = tuple(each for each in DTYPES if runtime not in ("litert", "tflite") or each in LITERT_DTYPES)
    given = {f"x_{each}": torch.ones(*shape_of(place), dtype=getattr(torch, each)) for place, each in enumerate(dtypes)}
    path = folder() / f"dtypes-{runtime}"

    class Turning(torch.nn.Module):
        def forward(self, *tensors: Any) -> Any:
            return turned(*tensors)

    class Named(torch.nn.Module):
        def forward(self, **tensors: Any) -> Any:
            return dict(zip([f"y_{each}" for each in reversed(dtypes)], turned(*tensors.values()), strict=True))

    if runtime == "executorch":
        lowered({"forward": export(Turning(), tuple(given.values()), strict=False)}, path)
    elif runtime == "onnx":
        names = {"input_names": list(given), "output_names": [f"y_{each}" for each in reversed(dtypes)]}
        program: Any = torch.onnx.export(Turning(), tuple(given.values()), dynamo=True, verbose=False, **names)
        program.save(str(path), external_data=False)
    else:
        converter: Any = litert_torch
        converter.signature("forward", Named(), sample_kwargs=given).convert().export(str(path))
    return Artifact(runtime=runtime, path=path, lengths=()), dtypes


LITERT_DTYPES = ("bool", "int8", "int32", "float32")  # its exporter makes int32 of int64, and float32 of float64


def shape_of(place: int) -> tuple[int, ...]:
    """Of the tensor at that place: of two axes up to six."""
    return tuple(range(2, 4 + place % 5))


@cache
def litert_artifact() -> Artifact:
    import litert_torch

    converter: Any = litert_torch
    for name in METHODS:
        converter = converter.signature(name, module(name, named=True), sample_kwargs=examples(name))
    path = folder() / "stateful.tflite"
    converter.convert().export(str(path))
    return Artifact(runtime="litert", path=path, lengths=())


@cache
def onnx_artifact(name: str) -> Artifact:
    """One method, as a graph is one: its outputs of the state have names of their own."""
    import torch

    method, given = METHODS[name][0], examples(name)
    program: Any = torch.onnx.export(
        module(name),
        tuple(given.values()),
        dynamo=True,
        input_names=list(given),
        output_names=[*(each.name for each in method.outputs), *(f"next_{each}" for each in method.state)],
        verbose=False,
    )
    path = folder() / f"stateful-{name}.onnx"
    program.save(str(path), external_data=False)
    return Artifact(runtime="onnx", path=path, lengths=())


def stateful_artifact(runtime: str, *, only: str | None = None) -> Artifact:
    """The artifact of a runtime: of all methods, or where a file has one, of that one."""
    if runtime == "onnx":
        assert only is not None
        return onnx_artifact(only)
    return replace({"executorch": executorch_artifact}.get(runtime, litert_artifact)(), runtime=runtime)


def random_calls(seed: int, count: int = 12, *, only: str | None = None) -> list[Call]:
    """Calls of both methods in any order, some of which reset the state first."""
    chance = np.random.default_rng(seed)
    calls = []
    for place in range(count):
        name = only or ("write", "read")[chance.integers(2)]
        inputs: dict[str, Array] = (
            {
                "place": chance.integers(0, ROWS, 1).astype(np.int32),
                "row": chance.normal(size=(1, WIDTH)).astype(np.float32),
            }
            if name == "write"
            else {
                "wanted": chance.integers(0, 2, (ROWS, 1)).astype(bool),
                "scale": chance.integers(-5, 5, (1, 1, 1)).astype(np.int32),
            }
        )
        call = METHODS[name][0].call(inputs)
        calls.append(replace(call, reset=place == 0 or bool(chance.integers(5) == 0)))
    return calls


def of_one_graph(calls: Sequence[Call]) -> list[Call]:
    """The same for a file that has one graph."""
    return [replace(call, entry="forward") for call in calls]


def by_torch(calls: Sequence[Call]) -> list[dict[str, Array]]:
    """What torch gives for the calls in the same order, from a state of zeros."""
    import torch

    state: dict[str, Any] = {}
    found = []
    for place, call in enumerate(calls):
        method, function = METHODS[call.method]
        if call.reset or place == 0:
            state = {each.name: torch.zeros(each.shape, dtype=getattr(torch, each.dtype)) for each in STATE}
        inputs = {name: torch.from_numpy(np.array(each)) for name, each in call.inputs.items()}
        outputs = [each.numpy() for each in function(**inputs, **state)]
        names = [each.name for each in method.outputs]
        found.append(dict(zip(names, outputs, strict=False)))
        kept = zip(method.state, outputs[len(names) :], strict=True)
        state = {name: torch.from_numpy(each) for name, each in kept}
    return found
