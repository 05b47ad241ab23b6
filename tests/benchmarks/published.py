"""What profiles' facts alone say of models whose latencies others published of boards, and by what factor it is off.

In:  nothing but the rows below.
Out: for each row the prediction beside it; some rows were in view when constants were chosen, others were held out.
`prediction --published` prints it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.cost.terms import Precision
from edgewright.cost.trace import structure_of
from edgewright.specs.profiles import Profile, load_profile
from edgewright.specs.structure import Structure

FACTOR = 1.5


@dataclass(frozen=True, kw_only=True)
class Row:
    """Latencies that others published of a board, in ms; one that is None was not."""

    source: str
    model: str
    board: str
    threads: int
    float_ms: float
    int8_ms: float | None


def _rows(source: str, board: str, threads: int, *rows: tuple[str, float, float | None]) -> list[Row]:
    return [
        Row(source=source, model=model, board=board, threads=threads, float_ms=wide, int8_ms=narrow)
        for model, wide, narrow in rows
    ]


# XNNPACK's README of 2022, ncnn's benchmark table: what share of its peak a core reaches was chosen with them in view.
PUBLISHED: Sequence[Row] = (
    *_rows("XNNPACK", "raspberry-pi-3b-plus", 4, ("MobileNetV1", 114, 46)),
    *_rows("XNNPACK", "raspberry-pi-4", 4, ("MobileNetV1", 77, 24)),
    *_rows("ncnn", "raspberry-pi-zero-2-w", 4, ("ResNet50", 783, 498)),
    *_rows("ncnn", "raspberry-pi-3b-plus", 4, ("ResNet50", 587, 392)),
    *_rows("ncnn", "raspberry-pi-4", 4, ("ResNet50", 263, 197), ("ResNet18", 123, 83.9)),
    *_rows("ncnn", "raspberry-pi-5", 4, ("ResNet50", 46.2, 40.8), ("ResNet18", 20.0, 16.7)),
)
# ncnn's benchmark table as it was at its commit 08c2dacb: no constant was chosen on these.
OLDER = "ncnn, older"
HELD_OUT: Sequence[Row] = (
    *_rows(
        OLDER,
        "RK3399, A72 cluster",
        1,
        ("MobileNetV1", 136.94, 107.22),
        ("MobileNetV2", 109.01, None),
        ("ResNet18", 321.68, 258.11),
        ("ResNet50", 686.59, 561.13),
    ),
    *_rows(
        OLDER,
        "RK3399, A72 cluster",
        2,
        ("MobileNetV1", 79.53, 58.40),
        ("MobileNetV2", 69.44, None),
        ("ResNet18", 198.63, 162.57),
        ("ResNet50", 443.29, 369.63),
    ),
    *_rows(
        OLDER,
        "RK3399, A53 cluster",
        4,
        ("MobileNetV1", 80.56, 67.81),
        ("MobileNetV2", 74.97, None),
        ("ResNet18", 208.50, 183.65),
        ("ResNet50", 418.18, 392.88),
    ),
    *_rows(
        OLDER,
        "Snapdragon 410",
        1,
        ("MobileNetV1", 244.93, 574.41),
        ("MobileNetV2", 179.05, None),
        ("ResNet18", 498.06, 653.40),
        ("ResNet50", 1212.06, 1660.50),
    ),
    *_rows(
        OLDER,
        "Snapdragon 410",
        4,
        ("MobileNetV1", 93.29, 246.45),
        ("MobileNetV2", 81.46, None),
        ("ResNet18", 178.58, 270.88),
        ("ResNet50", 423.99, 650.97),
    ),
    *_rows(
        OLDER,
        "raspberry-pi-4",
        4,
        ("MobileNetV1", 86.01, 168.48),
        ("MobileNetV2", 75.84, None),
        ("ResNet18", 233.89, 159.56),
        ("ResNet50", 486.97, 421.58),
    ),
)
# Boards without a profile: that of one with the same cores, and how many of them at which clock.
LIKE = {
    "RK3399, A72 cluster": ("raspberry-pi-4", 2, 1800),
    "RK3399, A53 cluster": ("raspberry-pi-3b-plus", 4, 1500),
    "Snapdragon 410": ("raspberry-pi-3b-plus", 4, 1200),
}


class Scores(nn.Module):
    """A classifier of transformers as a module that gives a tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.model(pixels).logits
        return scores


def published() -> list[dict[str, Any]]:
    """Each row that was published beside what a profile's facts alone say of it."""
    import torch
    import transformers

    configs = {
        "MobileNetV1": transformers.MobileNetV1Config(),
        "MobileNetV2": transformers.MobileNetV2Config(),
        "ResNet18": transformers.ResNetConfig(
            depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic"
        ),
        "ResNet50": transformers.ResNetConfig(),
    }
    pixels = torch.zeros(1, 3, 224, 224)
    structures = {
        name: structure_of(Scores(transformers.AutoModelForImageClassification.from_config(config)), [pixels])
        for name, config in configs.items()
    }
    return [found for row in (*PUBLISHED, *HELD_OUT) for found in _compared(row, structures[row.model])]


def _compared(row: Row, structure: Structure) -> Iterator[dict[str, Any]]:
    profile = board(row.board)
    # ncnn computes floats in half precision where a core has it.
    floats: Precision = "half" if row.source == "ncnn" and profile.processor.fp16.value else "float"
    precisions: tuple[tuple[Precision, float | None], ...] = ((floats, row.float_ms), ("int8", row.int8_ms))
    for precision, ms in precisions:
        if ms is None:
            continue
        found = predict(Roofline(profile=profile, precision=precision), structure, length=0, threads=row.threads)
        yield {
            **{"source": row.source, "model": row.model, "board": row.board, "threads": row.threads},
            **{"precision": precision, "held_out": row in HELD_OUT, "published_ms": ms},
            **{"predicted_ms": found.latency_ms, "factor": found.latency_ms / ms},
        }


def board(name: str) -> Profile:
    """A profile, or what stands for one that is not there."""
    if name not in LIKE:
        return load_profile(name)
    like, cores, clock_mhz = LIKE[name]
    profile = load_profile(like)
    processor = profile.processor

    def other(fact: Any, value: Any) -> Any:
        return fact.model_copy(update={"value": value})

    peak = processor.int8_peak_gops.value * clock_mhz / processor.clock_mhz.value
    changed = {
        "cores": other(processor.cores, cores),
        "clock_mhz": other(processor.clock_mhz, clock_mhz),
        "int8_peak_gops": other(processor.int8_peak_gops, peak),
    }
    return profile.model_copy(update={"name": name, "processor": processor.model_copy(update=changed)})


def published_table(rows: Sequence[dict[str, Any]]) -> str:
    """For the README: the rows that constants were chosen on, and those that they were not."""
    tables = []
    for held_out, told in ((False, "constants were chosen with these in view"), (True, "held out")):
        shown = [row for row in rows if row["held_out"] == held_out]
        lines = [
            "| published by | model | board | threads | precision | published, ms | by facts alone, ms | factor |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in shown:
            cells = [str(row[name]) for name in ("source", "model", "board", "threads", "precision")]
            predicted = float(f"{row['predicted_ms']:.3g}")
            lines.append(f"| {' | '.join(cells)} | {row['published_ms']:g} | {predicted:g} | {row['factor']:.2f} |")
        near = sum(1 / FACTOR <= row["factor"] <= FACTOR for row in shown)
        tables.append("\n".join([*lines, "", f"{near} of {len(shown)} within a factor of {FACTOR:g} ({told})."]))
    return "\n\n".join(tables)
