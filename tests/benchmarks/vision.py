"""Vision's figures: a ResNet to a twentieth of its multiply-accumulates, a ViT to an eighth, beside what else is done.

    python -m tests.benchmarks.vision [--json] [--quick]

Teachers are trained on scikit-learn's handwritten digits and compressed with images alone, without labels; pruning at
a uniform ratio is trained with labels, as is usual, and without, which tells pruning and distilling apart. All students
of a teacher see as many images. The held-out digits choose nothing. `--quick` takes one seed, not three.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from edgewright.compress import prune_channels as channels
from edgewright.compress import refit
from edgewright.compress.distill import distill
from edgewright.compress.distillation_loss import Weights
from edgewright.compress.importance import importance
from edgewright.compress.prune import prune
from edgewright.compress.shrink import to_share
from edgewright.compress.targets import record_targets
from edgewright.compress.unit_counts import PruneSizes
from edgewright.data.images import Images, load_images
from edgewright.data.moved import with_moved
from edgewright.models import convnet, convnet_sources, image_teacher
from edgewright.models import model as models
from edgewright.models.convnet import ConvNet
from edgewright.models.factories import digit_resnet, digit_vit
from edgewright.models.inputs import ImageInputs
from edgewright.models.macs import sizes
from edgewright.models.model import TransformerModel
from edgewright.models.schedule import Schedule
from edgewright.specs.recipe import Data, Finetune, ModelSource, TaskSettings
from edgewright.tasks.finetune import finetune
from edgewright.tasks.table import task_of
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed

TASK = task_of("image-classification")
NATIVE_SIDE = 8  # of a digit, in pixels
COPIES = 12  # of each training image: itself and so many less one, moved
BATCH = 64
CALIBRATION = 512
TEMPERATURE = 2.0  # of 1, 2 and 4 the best on the validation digits, by one image of 188
MULTIPLE = 8  # channels and neurons that int8 kernels work in
HALF = 0.5
SEEDS = (0, 1, 2)
Smaller = TypeVar("Smaller", bound=nn.Module)
KEPT_GOAL = 99.0
HALVINGS = 9
OURS = "pruned, refitted, distilled"
FRESH = "a fresh student of its sizes, distilled"


@dataclass(frozen=True, kw_only=True)
class Work:
    """How long each is trained, in passes over the training images and their moved copies, and how fast.

    A student of ours is cut in as many steps as there are `student_epochs`, with so many passes after each; the
    others take all of them at once.
    """

    teacher_epochs: int
    teacher_rate: float
    student_epochs: tuple[int, ...]
    student_rate: float


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One teacher, and the ways to make it smaller: to a share of its MACs, with calibration images, untrained.

    `teacher` is new and untrained for a seed; `untaught` is a model of the same sizes that has learned nothing.
    """

    name: str
    side: int
    share: float
    work: Work
    uniform_name: str  # as it is called in the table, before how it was trained
    teacher: Callable[[int], Any]
    cut: Callable[[Any, float, "Digits"], Any]
    uniform: Callable[[Any, float, "Digits"], Any]
    untaught: Callable[[Any, int], Any]


def main() -> None:
    options = parsed(__doc__)
    found = figures(quick=options.quick)
    shown(options, found, table)


def figures(*, quick: bool) -> dict[str, Any]:
    """Both contests, each a mean over the seeds of everything from the teacher on."""
    seeds = SEEDS[:1] if quick else SEEDS
    contests = []
    for contest in CONTESTS:
        runs = [run(contest, seed) for seed in seeds]
        mean = _mean(runs)
        contests.append(
            {
                "name": contest.name,
                "goal": {"macs_share": contest.share, "kept_percent": KEPT_GOAL},
                "epochs": {"teacher": contest.work.teacher_epochs, "student": list(contest.work.student_epochs)},
                **mean,
                "kept_percent": {
                    name: 100 * row["accuracy"] / mean["teacher"]["accuracy"] for name, row in mean["students"].items()
                },
                "seeds": runs,
            }
        )
    return {"metric": TASK.score(digits_of(NATIVE_SIDE).images).metric, "held_out": held_out(), "contests": contests}


def run(contest: Contest, seed: int) -> dict[str, Any]:
    """One seed: a teacher, what is left of it before any training, and each student trained."""
    digits, work, total = digits_of(contest.side), contest.work, sum(contest.work.student_epochs)
    teacher = contest.teacher(seed)
    taught_s = taught(teacher, digits, work.teacher_epochs, work.teacher_rate, seed)
    tuned, quiet = f"{contest.uniform_name}, fine-tuned on labels", f"{contest.uniform_name}, distilled"
    uniform = contest.uniform(teacher, contest.share, digits)
    untrained = {
        tuned: {
            "half": digits.accuracy(contest.uniform(teacher, HALF, digits)),
            "goal": digits.accuracy(uniform),
        },
        OURS: {
            "half": digits.accuracy(contest.cut(teacher, HALF, digits)),
            "goal": digits.accuracy(contest.cut(teacher, contest.share, digits)),
        },
    }
    untuned = copy.deepcopy(uniform)
    uniform_s = taught(uniform, digits, total, work.student_rate, seed)
    quiet_s = distilled(untuned, teacher, digits, total, work.student_rate, seed)
    ours, ours_s = compressed(contest, teacher, digits, seed)
    fresh = contest.untaught(ours, seed)
    fresh_s = distilled(fresh, teacher, digits, total, work.student_rate, seed)
    students = {
        tuned: (uniform, uniform_s),
        quiet: (untuned, quiet_s),
        FRESH: (fresh, fresh_s),
        OURS: (ours, ours_s),
    }
    return {
        "teacher": described(teacher, digits, taught_s),
        "untrained": untrained,
        "students": {name: described(model, digits, seconds) for name, (model, seconds) in students.items()},
    }


def compressed(contest: Contest, teacher: Any, digits: "Digits", seed: int) -> tuple[Any, float]:
    """The student cut step by step to the goal, each time refitted and then distilled; and the seconds that took."""
    started, whole, student = time.perf_counter(), macs_of(teacher, digits), teacher
    steps = len(contest.work.student_epochs)
    for step, epochs in enumerate(contest.work.student_epochs, start=1):
        wanted = whole * contest.share ** (step / steps)
        student = contest.cut(student, min(1.0, wanted / macs_of(student, digits)), digits)
        distilled(student, teacher, digits, epochs, contest.work.student_rate, seed)
    return student, time.perf_counter() - started


def described(model: nn.Module, digits: "Digits", seconds: float) -> dict[str, float]:
    found = sizes(model, digits.held_out.batch([0]))
    return {
        "macs": found.macs,
        "parameters": found.parameters,
        "accuracy": digits.accuracy(model),
        "training_s": seconds,
    }


def macs_of(model: nn.Module, digits: "Digits") -> int:
    """For one image."""
    return sizes(model, digits.held_out.batch([0])).macs


# What is learned, and how


class Digits:
    """The digits as a model of one image size takes them; training images come with moved copies."""

    def __init__(self, side: int) -> None:
        self.images: Images = load_images(
            Data(builtin="digits"), TaskSettings(kind="image-classification", image_size=(side, side))
        )
        self.score = TASK.score(self.images)
        pixels = with_moved(self.images.train.pixels, copies=COPIES - 1)
        labels = list(TASK.targets(self.images)) * (len(pixels) // len(self.images.train))
        self.training, self.labels = inputs_of(pixels), labels
        chosen = np.random.default_rng(0).permutation(len(pixels))[:CALIBRATION]
        self.calibration = inputs_of(pixels[chosen])
        self.held_out = inputs_of(self.images.test.pixels)

    @torch.no_grad()
    def accuracy(self, model: nn.Module) -> float:
        """Share of the held-out digits that are right."""
        return self.score.of(model.eval()(*self.held_out.batch(range(len(self.held_out)))))


@cache
def digits_of(side: int) -> Digits:
    """Read once for all seeds: what a seed changes is the models."""
    return Digits(side)


def held_out() -> int:
    return len(digits_of(NATIVE_SIDE).held_out)


def inputs_of(pixels: Any) -> ImageInputs:
    return ImageInputs(pixels, mean=(0.5,), std=(0.5,))


def taught(model: nn.Module, digits: Digits, epochs: int, rate: float, seed: int) -> float:
    """Train in place with labels; the seconds it took."""
    settings = Finetune(epochs=epochs, learning_rate=rate, batch_tokens=BATCH, seed=seed)
    return finetune(model, digits.training, digits.labels, TASK, settings).seconds


def distilled(student: nn.Module, teacher: nn.Module, digits: Digits, epochs: int, rate: float, seed: int) -> float:
    """Train in place by what the teacher says of the images; the seconds it took, the teacher's answers included."""
    started = time.perf_counter()
    targets = record_targets(teacher, digits.training)
    distill(
        student,
        targets,
        digits.training,
        Schedule(learning_rate=rate, batch_tokens=BATCH, seed=seed, epochs=epochs),
        imitation=partial(TASK.imitation, temperature=TEMPERATURE),
        weights=Weights(output=1.0, hidden=1.0),
    )
    return time.perf_counter() - started


def _least_pruned(made: Callable[[float], Smaller], most: float, digits: Digits) -> Smaller:
    """Of the models that a ratio makes, the one with the least pruned whose MACs are within `most`."""
    low, high = 0.0, 0.95
    found = made(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = made(middle)
        if macs_of(tried, digits) <= most:
            high, found = middle, tried
        else:
            low = middle
    return found


# The convolutional net


def new_resnet(seed: int, **changes: Any) -> ConvNet:
    """As transformers makes one, for grey images."""
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        _write(digit_resnet(**changes)[0], folder)
        return convnet_sources.from_pretrained(Path(folder), side=2 * NATIVE_SIDE)


def cut_channels(net: ConvNet, share: float, digits: Digits) -> ConvNet:
    """The channels whose values say least to the layers that read them go, and the layers are refitted."""
    pruned = channels.prune_channels(
        net, digits.calibration, keep_macs=share, importance="activation", ranking="isomorphic", multiple=MULTIPLE
    )
    return refit.corrected(pruned, net, digits.calibration)


def uniform_channels(net: ConvNet, share: float, digits: Digits) -> ConvNet:
    """torch-pruning's own pruner, by magnitude: the smallest ratio that leaves at most this share."""
    import torch_pruning

    def pruned(ratio: float) -> ConvNet:
        smaller = copy.deepcopy(net)
        torch_pruning.pruner.MagnitudePruner(
            smaller,
            convnet.example_inputs(smaller)[0],
            importance=torch_pruning.importance.GroupMagnitudeImportance(),
            pruning_ratio=ratio,
            ignored_layers=[module for module in smaller.modules() if isinstance(module, nn.Linear)],
        ).step()
        return smaller

    return _least_pruned(pruned, share * macs_of(net, digits), digits)


def untaught_net(net: ConvNet, seed: int) -> ConvNet:
    """Random weights as transformers draws a ResNet's (He et al. 2015)."""
    new = copy.deepcopy(net)
    torch.manual_seed(seed)
    for module in new.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            module.reset_parameters()
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return new


# The vision transformer


def new_vit(seed: int, **changes: Any) -> TransformerModel:
    """As transformers makes one, for grey images in patches of 2 × 2."""
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        _write(digit_vit(**changes), folder)
        labels = [str(digit) for digit in range(10)]
        return image_teacher.load_images(ModelSource(folder=Path(folder)), labels=labels).model


def cut_transformer(model: TransformerModel, share: float, digits: Digits) -> TransformerModel:
    """Width, heads and neurons are chosen together by the error once refitted, within the budget of MACs."""
    return to_share(model, digits.calibration, share, multiple=MULTIPLE).model


def uniform_sizes(model: TransformerModel, share: float, digits: Digits) -> TransformerModel:
    """Width, head width and neurons all at one ratio, by magnitude, as torch-pruning does with a transformer."""
    shape = model.encoder.shape
    scores = importance(model, digits.calibration, kind="magnitude")

    def pruned(ratio: float) -> TransformerModel:
        width, head_width, neurons = (
            max(1, round((1 - ratio) * size))
            for size in (shape.width, shape.layers[0].head_width, shape.layers[0].neurons)
        )
        return prune(model, scores, PruneSizes(width=width, head_width=head_width, neurons=neurons)).model

    return _least_pruned(pruned, share * macs_of(model, digits), digits)


def untaught_vit(model: TransformerModel, seed: int) -> TransformerModel:
    """Random weights, as wide as the teacher's were drawn."""
    new = models.fresh(model, seed=seed)
    with torch.no_grad():
        for module in new.modules():
            if isinstance(module, nn.Linear):
                module.weight.mul_(0.1 / models.INITIAL_DEVIATION)
    return new


def _write(model: Any, folder: str) -> None:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)


CONTESTS = (
    Contest(
        name="ResNet",
        side=2 * NATIVE_SIDE,
        share=1 / 20,
        work=Work(teacher_epochs=4, teacher_rate=3e-3, student_epochs=(5,), student_rate=5e-3),
        uniform_name="uniform magnitude (torch-pruning)",
        teacher=new_resnet,
        cut=cut_channels,
        uniform=uniform_channels,
        untaught=untaught_net,
    ),
    Contest(
        name="ViT",
        side=NATIVE_SIDE,
        share=1 / 8,
        work=Work(teacher_epochs=12, teacher_rate=2e-3, student_epochs=(6, 14), student_rate=2e-3),
        uniform_name="uniform magnitude",
        teacher=new_vit,
        cut=cut_transformer,
        uniform=uniform_sizes,
        untaught=untaught_vit,
    ),
)


# Showing


def table(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        f"| | MACs | parameters | {found['metric']} at half the MACs, untrained | at the goal, untrained | trained "
        "| kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for contest in found["contests"]:
        teacher = contest["teacher"]
        lines.append(
            f"| {contest['name']} teacher | {teacher['macs']:,.0f} | {teacher['parameters']:,.0f} | – | – | "
            f"{teacher['accuracy']:.3f} | 100 % |"
        )
        for name, row in contest["students"].items():
            untrained = contest["untrained"].get(name)
            shown = f"{untrained['half']:.3f} | {untrained['goal']:.3f}" if untrained else "– | –"
            lines.append(
                f"| {_bold(name)} | {row['macs']:,.0f} (1/{teacher['macs'] / row['macs']:.1f}) | "
                f"{row['parameters']:,.0f} | {shown} | {row['accuracy']:.3f} | {contest['kept_percent'][name]:.1f} % |"
            )
    seeds = len(found["contests"][0]["seeds"])
    spans = "; ".join(f"{contest['name']}'s {_epochs(contest)}" for contest in found["contests"])
    goals = ", ".join(
        f"{each['name']} 1/{1 / each['goal']['macs_share']:.0f} of the MACs at {each['goal']['kept_percent']:g} %"
        for each in found["contests"]
    )
    note = (
        f"Digits, {found['held_out']} held out, means over {seeds} seed{'s' if seeds > 1 else ''}. Passes over the "
        f"training images and {COPIES - 1} moved copies of each: {spans}. Goals: {goals}."
    )
    return "\n".join([*lines, "", note])


def _bold(name: str) -> str:
    return f"**{name}**" if name == OURS else name


def _epochs(contest: Mapping[str, Any]) -> str:
    student = contest["epochs"]["student"]
    return f"teacher {contest['epochs']['teacher']}, each student {sum(student)} (ours in cuts of {student})"


def _mean(runs: Sequence[Any]) -> Any:
    """Mappings of the same form, number by number."""
    if isinstance(runs[0], Mapping):
        return {name: _mean([each[name] for each in runs]) for name in runs[0]}
    return statistics.fmean(runs)


if __name__ == "__main__":
    main()
