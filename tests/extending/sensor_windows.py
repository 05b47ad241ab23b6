"""A modality as a package of one's own has it: windows of sensors, with a task and a family of nets for them.

Its entry points are `sensor = "sensor_windows:SENSOR"` in `edgewright.modalities`, `window-classification =
"sensor_windows:WINDOWS"` in `edgewright.tasks` and `"window net" = "sensor_windows:FAMILY"` in `edgewright.families`.
A window is (channels, time) in float32; a file of them is `.jsonl` with a `window` and a `label` in each line.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.base.progress import OnProgress
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadDataError
from edgewright.modality.base import PARTS, Dataset, HeldOut, LoadedTeacher, Modality, Reading
from edgewright.modality.input_spec import Examples, InputSpec
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
        """A net is made for any windows."""

    def fingerprint(self, recipe: Recipe) -> Mapping[str, object]:
        """Of the file."""
        return {"data": sha256(_file(recipe).read_bytes()).hexdigest()}

    def read(self, recipe: Recipe, folder: Path, *, on_progress: OnProgress) -> Reading:
        """Read the lines, shuffle them and split them."""
        from edgewright.data.agreement import Agreement

        rows = [_row(line, place) for place, line in enumerate(_file(recipe).read_text("utf-8").splitlines(), start=1)]
        random.Random(0).shuffle(rows)
        tenth = max(1, len(rows) // 10)
        cuts = {"test": rows[:tenth], "validation": rows[tenth : 2 * tenth], "train": rows[2 * tenth :], "extra": []}
        document = {part: [dict(zip(("window", "label"), row, strict=True)) for row in cuts[part]] for part in PARTS}
        (folder / WINDOWS_FILE).write_text(json.dumps(document), encoding="utf-8")
        counts = {part: len(cuts[part]) for part in PARTS}
        agreement = Agreement(contradictory=0, contradictory_rows=0, examples=(), shared={})
        return Reading(counts=counts, agreement=agreement, facts={"channels": len(rows[0][0])})

    def load_teacher(self, recipe: Recipe, examples: Path) -> LoadedTeacher:
        """The net of the recipe's factory, which is fitted."""
        import torch

        from edgewright.models.user_factory import call_factory

        parts = _parts(examples, tuple(recipe.task.labels))
        values = torch.tensor(parts.train.values)
        dataset = WindowDataset(parts=parts, mean=float(values.mean()), deviation=float(values.std()))
        model = call_factory(str(recipe.model.factory), recipe.model.beside)
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
    columns = ()
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


def _file(recipe: Recipe) -> Path:
    return Path(str(recipe.data.file))


def _row(line: str, place: int) -> tuple[Any, str]:
    document = parse_json(line.encode(), name=f"line {place}")
    try:
        return [[float(value) for value in channel] for channel in document["window"]], str(document["label"])
    except (TypeError, KeyError, ValueError) as error:
        raise BadDataError(
            f'line {place} is no window with a label; write {{"window": [[…], …], "label": …}}'
        ) from error


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
