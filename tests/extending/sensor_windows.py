"""A modality as a package of one's own has it: windows of sensors, with a task and a family of nets for them.

Its entry points are `sensor = "sensor_windows:SENSOR"` in `edgewright.modalities`, `window-classification =
"sensor_windows:WINDOWS"` in `edgewright.tasks` and `"window net" = "sensor_windows:FAMILY"` in `edgewright.families`.
A window is (channels, time) in float32; a file of them is `.jsonl` with a `window` and a `label` in each line, or
columns of other names, which the recipe tells. A question is a file of JSON with the `window` alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgewright.base.progress import OnProgress
from edgewright.base.untrusted import parse_json
from edgewright.errors import InputError
from edgewright.modality.base import PARTS, Dataset, HeldOut, LoadedTeacher, Modality, Reading
from edgewright.modality.input_spec import BundleFile, Examples, InputSpec, ReadExample
from edgewright.models.families import Family
from edgewright.specs.signature import Array, DType
from edgewright.specs.signature import Tensor as TensorSpec
from edgewright.tasks.examples import part_of
from edgewright.tasks.labels import LabelTask

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.specs.recipe import Distill, Finetune, Recipe
    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Score

WINDOWS_FILE, SCALE_FILE, NET_FILE = "windows.json", "scale.json", "net.safetensors"
FORM = "a window is written [[…], …]: a list of finite numbers for each sensor, as many for one as for another"


@dataclass(frozen=True)
class Windows:
    """Some windows, (channels, time) each, and the label of each."""

    values: Sequence[Sequence[Sequence[float]]] = ()
    labels: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All windows in their parts."""

    train: Windows
    validation: Windows
    test: Windows
    extra: Windows
    labels: tuple[str, ...]


class WindowInputs:
    """Windows as a net takes them: a batch is float32, (windows, channels, time), less the mean, by the deviation."""

    def __init__(self, windows: Windows, mean: float, deviation: float) -> None:
        import torch

        self.values = (torch.tensor(windows.values, dtype=torch.float32) - mean) / deviation

    @property
    def sizes(self) -> Sequence[int]:
        """1 for each window."""
        return [1] * len(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, indexes: Sequence[int]) -> tuple[Tensor, ...]:
        """These windows."""
        return (self.values[list(indexes)],)


@dataclass(frozen=True, kw_only=True)
class WindowSpec(InputSpec):
    """Float32 (batch, channels, time) as the sensors give them."""

    channels: int
    time: int
    mean: float
    deviation: float

    def module(self, model: nn.Module, *, padded: bool = False) -> nn.Module:
        """The net behind the scale."""
        return scaled_net(model, self.mean, self.deviation)

    def tensors(self, *, fixed_shapes: bool, index_dtype: DType) -> tuple[TensorSpec, ...]:
        """The readings."""
        return (TensorSpec(name="window", dtype="float32", shape=(self.batch, self.channels, self.time)),)

    def arrays(self, examples: Examples, index_dtype: DType) -> dict[str, Array]:
        """The readings of each window."""
        return {"window": np.array(examples, dtype=np.float32)}

    def checked(self, model: nn.Module, examples: Examples) -> Examples:
        """Any readings will do."""
        return examples

    def reader(self, file: BundleFile) -> Callable[[str], ReadExample]:
        """A question is the path of a window's file."""
        return lambda path: ReadExample(examples=self.window_in(Path(path)))

    def window_in(self, file: Path) -> NDArray[np.float32]:
        """The window of a file, (1, channels, time). Raises `InputError`."""
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InputError(
                f"{file} cannot be read ({error.strerror}); give the path of a window's file with --input"
            ) from error
        if not data.strip():
            raise InputError(f"{file} is empty; {FORM}")
        document = parse_json(data, name=str(file), error=lambda place, what: InputError(f"{file}: {place} {what}"))
        window = readings(document.get("window") if isinstance(document, dict) else None)
        if window is None:
            raise InputError(f'{file} has no "window"; {FORM}')
        if window.shape != (self.channels, self.time):
            raise InputError(
                f"the window of {file} is {_sizes(window)}, but the model takes {self.channels} sensors of {self.time}"
            )
        return window[None]

    def example(self) -> Tensor:
        """Windows of zeros."""
        import torch

        return torch.zeros(self.batch, self.channels, self.time)


@dataclass(frozen=True, kw_only=True)
class WindowDataset(Dataset):
    """Windows on the scale of the training part."""

    parts: Parts
    mean: float
    deviation: float

    @property
    def examples(self) -> Parts:
        """All windows."""
        return self.parts

    def save(self, folder: Path) -> None:
        """Keep the scale."""
        document = {"mean": self.mean, "deviation": self.deviation}
        (folder / SCALE_FILE).write_text(json.dumps(document), encoding="utf-8")

    def labelled(self, settings: Finetune) -> tuple[WindowInputs, Sequence[Tensor]]:
        """The training part and the places of its labels."""
        return self._inputs(self.parts.train), WINDOWS.targets(self.parts)

    def score(self, part: HeldOut = "test") -> Score:
        """Accuracy on a part."""
        return WINDOWS.score(self.parts, part)

    def held_out(self, part: HeldOut = "test") -> WindowInputs:
        """A part."""
        return self._inputs(part_of(self.parts, part))

    def asked(self, count: int) -> WindowInputs:
        """Some held-out windows."""
        return self._inputs(_some(self.parts.test, count))

    def sample(self, count: int, *, macs: float = 0, passes: int = 0) -> WindowInputs:
        """Some training windows."""
        return self._inputs(_some(self.parts.train, count))

    def to_record(self, settings: Distill, folder: Path) -> WindowInputs:
        """The training windows."""
        return self._inputs(self.parts.train)

    def recorded(self, folder: Path, recorded_with: Mapping[str, Any]) -> WindowInputs:
        """The same."""
        return self._inputs(self.parts.train)

    def example(self) -> tuple[Tensor, ...]:
        """One window of zeros."""
        import torch

        window = self.parts.train.values[0]
        return (torch.zeros(1, len(window), len(window[0])),)

    def outputs(self, model: nn.Module, inputs: Any, *, on_progress: Callable[[int], None] | None = None) -> Tensor:
        """(windows, labels)."""
        import torch

        with torch.inference_mode():
            return model(*inputs.batch(range(len(inputs)))).float().cpu()

    def input_spec(self, *, batch: int = 1) -> WindowSpec:
        """Windows of the size that they were read in."""
        window = self.parts.train.values[0]
        return WindowSpec(
            channels=len(window), time=len(window[0]), mean=self.mean, deviation=self.deviation, batch=batch
        )

    def examples_of(self, inputs: Any) -> Any:
        """Readings as the sensors give them, (windows, channels, time)."""
        return (inputs.values * self.deviation + self.mean).numpy()

    def attribution(self, model: Any, inputs: Any, index: int, asked: Any) -> Any:
        """Nothing: the task says that its answers are not traced."""
        raise NotImplementedError

    def _inputs(self, windows: Windows) -> WindowInputs:
        return WindowInputs(windows, self.mean, self.deviation)


class Sensor(Modality):
    """Windows of several sensors' readings."""

    name = "sensor"
    examples_name = "windows"
    spec = WindowSpec

    def check_source(self, recipe: Recipe) -> None:
        """Windows are of one file, and nets of a factory."""
        if recipe.data.file is None or recipe.model.factory is None:
            raise InputError("windows are read from one file, for a net that is made: set data.file and model.factory")

    def fingerprint(self, recipe: Recipe) -> Mapping[str, object]:
        """Of the file, and how it is read."""
        from edgewright.data.readers import content_digest

        read = {"columns": _columns(recipe), "split": recipe.data.split.model_dump(), "labels": recipe.task.labels}
        return {"data": content_digest(_file(recipe)), **read}

    def read(self, recipe: Recipe, folder: Path, *, on_progress: OnProgress) -> Reading:
        """Read the lines and split them, windows that are alike into the same part."""
        from edgewright.data.agreement import Row, agreement_of
        from edgewright.data.splits import check_labels, check_sizes, part_of

        shares = recipe.data.split
        cuts: dict[str, list[tuple[Any, str]]] = {part: [] for part in PARTS}
        for window, label in _rows(recipe, on_progress):
            part = part_of(json.dumps(window), test=shares.test, validation=shares.validation)
            cuts[part].append((window, label))
        counts = {part: len(rows) for part, rows in cuts.items()}
        check_sizes((part, counts[part]) for part in ("train", "test"))
        held_out = [label for part in ("validation", "test") for _, label in cuts[part]]
        check_labels({label for _, label in cuts["train"]}, held_out, recipe.task.labels)
        document = {part: [{"window": window, "label": label} for window, label in rows] for part, rows in cuts.items()}
        (folder / WINDOWS_FILE).write_text(json.dumps(document), encoding="utf-8")
        alike = {
            part: [Row(key=json.dumps(window), answer=label, name="a window") for window, label in rows]
            for part, rows in cuts.items()
        }
        return Reading(counts=counts, agreement=agreement_of(alike), facts={})

    def load_teacher(self, recipe: Recipe, examples: Path) -> LoadedTeacher:
        """The net of the recipe's factory, which is fitted."""
        import torch

        from edgewright.models.user_factory import call_factory

        parts = _parts(examples, tuple(recipe.task.labels))
        values = torch.tensor(parts.train.values)
        dataset = WindowDataset(parts=parts, mean=float(values.mean()), deviation=float(values.std()))
        model = call_factory(str(recipe.model.factory), recipe.model.beside)
        _require_fitting(model, parts)
        count = sum(each.numel() for each in model.parameters())
        return LoadedTeacher(
            model=model,
            dataset=dataset,
            parameters_count=count,
            size_bytes=4 * count,
            fitted=False,
            notes=("a new net of its own",),
            reference=None,
            run=lambda some: dataset.outputs(model, WindowInputs(Windows(some, [""] * len(some)), 0.0, 1.0)),
            some=parts.train.values[:4],
        )

    def dataset(self, recipe: Recipe, examples: Path, inputs: Path) -> WindowDataset:
        """As they were saved."""
        scale = json.loads((inputs / SCALE_FILE).read_text(encoding="utf-8"))
        return WindowDataset(parts=_parts(examples, tuple(recipe.task.labels)), **scale)


class WindowClassification(LabelTask[Parts]):
    """One of several labels for each window."""

    modality = "sensor"
    examples = "windows"
    inputs = frozenset[str]()
    columns = ("window", "label")
    suffixes = (".jsonl",)
    settings = frozenset({"finetune", "finetune.batch_images", "distill.batch_images", "distill.temperature"})
    training_unit = "train_images"
    attributable = False

    def targets(self, examples: Parts) -> Sequence[Tensor]:
        """The place of each training window's label."""
        import torch

        return list(torch.tensor([examples.labels.index(each) for each in examples.train.labels]))

    def score(self, examples: Parts, part: str = "test") -> Score:
        """Accuracy."""
        from edgewright.tasks.scores import LabelScore

        return LabelScore(part_of(examples, part).labels, examples.labels)

    def baseline(self, examples: Parts, score: Score) -> Baseline:
        """Always the commonest label."""
        from edgewright.tasks.baselines import Baseline

        labels = examples.train.labels
        commonest = max(examples.labels, key=labels.count)
        held_out = examples.test.labels
        return Baseline(name="the commonest label", score=sum(each == commonest for each in held_out) / len(held_out))


def net(*, channels: int, inner: int, classes: int) -> nn.Module:
    """Two convolutions over time and a mean."""
    from torch import nn

    model = nn.Sequential(
        nn.Conv1d(channels, inner, 5, padding=2), nn.ReLU(), nn.Conv1d(inner, inner, 5, padding=2), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(inner, classes),
    ).eval()  # fmt: skip
    model.family, model.sizes = "window net", {"channels": channels, "inner": inner, "classes": classes}
    return model


def scaled_net(model: nn.Module, mean: float, deviation: float) -> nn.Module:
    """A net that is given readings."""
    from torch import nn

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, window: Tensor) -> Tensor:
            outputs: Tensor = self.model((window - mean) / deviation)
            return outputs

    return Scaled().eval()


def activities() -> nn.Module:
    """A new net for two sensors and three activities."""
    import torch

    torch.manual_seed(0)
    return net(channels=2, inner=24, classes=3)


class Nets:
    """How a net is kept."""

    def save(self, model: Any, folder: Path) -> None:
        """Sizes and weights."""
        from safetensors.torch import save_file

        save_file(model.state_dict(), folder / NET_FILE, metadata={"sizes": json.dumps(model.sizes)})

    def load(self, folder: Path, *, factory: str = "") -> Any:
        """Read back what `save` wrote."""
        from safetensors import safe_open

        with safe_open(folder / NET_FILE, framework="pt") as file:
            model = net(**json.loads(file.metadata()["sizes"]))
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        return model


def readings(cell: Any) -> NDArray[np.float32] | None:
    """The window that is written in a cell, (channels, time); None where there is none, or one with gaps."""
    rows = cell if isinstance(cell, list) and all(isinstance(row, list) for row in cell) else []
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        return None
    if any(type(value) not in (int, float) for row in rows for value in row):
        return None
    with np.errstate(over="ignore"):
        window = np.array(rows, dtype=np.float32)
    return window if np.isfinite(window).all() else None


def _sizes(window: NDArray[np.float32]) -> str:
    return f"{window.shape[0]} sensors of {window.shape[1]} readings"


def _file(recipe: Recipe) -> Path:
    return Path(str(recipe.data.file))


def _columns(recipe: Recipe) -> dict[str, str]:
    return {name: recipe.data.columns.of(name) or name for name in WINDOWS.columns}


def _rows(recipe: Recipe, on_progress: OnProgress) -> list[tuple[Any, str]]:
    """Every window with its label. Raises `BadDataError` with all lines that are faulty."""
    from edgewright.data.faults import Faults
    from edgewright.data.readers import raw_rows

    file, columns, labels = _file(recipe), _columns(recipe), recipe.task.labels
    faults, rows, first = Faults(file), [], ""
    for raw in raw_rows(file, tuple(columns.values()), faults, on_progress=on_progress):
        window = readings(raw.cells.get(columns["window"]))
        if window is None:
            faults.add(raw.place, f"{columns['window']} is no window", FORM)
            continue
        first = first or _sizes(window)
        if _sizes(window) != first:
            faults.add(raw.place, f"{_sizes(window)}, where the first has {first}", "give all the same")
        label = raw.cells.get(columns["label"])
        if not isinstance(label, str) or label not in (labels or (label,)):
            faults.add(raw.place, f"{columns['label']} is {label!r:.40}", f"give one of {', '.join(labels) or 'text'}")
        rows.append((window.tolist(), label))
    faults.raise_any()
    return rows


def _require_fitting(model: Any, parts: Parts) -> None:
    """Raises `InputError` where the net takes other windows, or has another number of classes."""
    found = {"channels": len(parts.train.values[0]), "classes": len(parts.labels)}
    wrong = [f"{model.sizes[name]} {name}, not {size}" for name, size in found.items() if model.sizes[name] != size]
    if wrong:
        raise InputError(f"the net of model.factory has {' and '.join(wrong)}; make it for the windows of data.file")


def _parts(folder: Path, labels: tuple[str, ...]) -> Parts:
    document = json.loads((folder / WINDOWS_FILE).read_text(encoding="utf-8"))
    parts = {
        part: Windows(values=[row["window"] for row in rows], labels=[row["label"] for row in rows])
        for part, rows in document.items()
    }
    return Parts(**parts, labels=labels or tuple(sorted(set(parts["train"].labels))))


def _some(windows: Windows, count: int) -> Windows:
    places = random.Random(0).sample(range(len(windows)), min(count, len(windows)))
    return Windows(
        values=[windows.values[place] for place in places], labels=[windows.labels[place] for place in places]
    )


SENSOR = Sensor()
WINDOWS = WindowClassification()
FAMILY = Family(title="net of windows", modality="sensor", capabilities={"stores": Nets()})
