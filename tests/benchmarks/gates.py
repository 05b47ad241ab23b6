"""How often a gate errs: 50 unchanged rebuilds that it should let pass, and 50 slower ones that it should not.

    python -m tests.benchmarks.gates [--json] [--quick] [--board | --host] [--keep FOLDER]

A rebuild is a fresh int8 export of the same student, put into a bundle of its own and measured afresh. The student's
first linear operator takes nearly all of its time. A slower build gives that operator more neurons, with new weights
each time: on the emulated board one percent more, so that this operator, the one that reads it, and with them the whole
inference take nearly one percent longer; on the host twice as many percent as the limit.

On the board an instruction clock decides at 0.5 %. The baseline comes from a board that was booted for it alone, as it
would in continuous integration. On the host the wall's clock decides at 5 %, by short measurements, each pair one after
the other. A gate refuses measurements that are not stable; beside that stands what it says of them with `--force`.
`--quick` makes 5 of each; `--board` and `--host` print one half; what `--keep` finds in its folder is not measured
again, so that a run may be cut off and go on.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from edgewright.base.once import written_whole
from edgewright.bundles import bundle as bundles
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.schema import Manifest, TaskFacts
from edgewright.bundles.vectors import write_examples
from edgewright.devices.benchmark import bench
from edgewright.measure.measurement import clock_of
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.report.compare import compare
from edgewright.report.gate import GateLimits, decide
from edgewright.report.measured import Measured, read_measured
from edgewright.runtimes.executorch.export_int8 import executorch_int8
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.targets import open_target
from edgewright.targets.base import Target
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.report.test_compression import manifest

BUILDS, QUICK_BUILDS = 50, 5
BOARD, HOST = "emulated://raspberry-pi-4", "local:"
LIMITS = {BOARD: 0.5, HOST: 5.0}  # percent
SLOWER = {BOARD: 0.01, HOST: 0.10}  # share of the neurons that a slower build has more
SIDE, CHANNELS, NEURONS, OUTPUTS = 16, 3, 3200, 10
IMAGES = 4
FILE = "model.pte"


class Student(nn.Module):
    """Two linear operators, of which the first takes nearly all of the time; `more` neurons do no harm to the rest."""

    def __init__(self, *, more: int = 0, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        inputs = SIDE * SIDE * CHANNELS
        first, second = nn.Linear(inputs, NEURONS), nn.Linear(NEURONS, OUTPUTS)
        torch.manual_seed(seed)
        wider, reading = nn.Linear(inputs, NEURONS + more), nn.Linear(NEURONS + more, OUTPUTS)
        with torch.no_grad():
            for mine, ours in ((wider.weight, first.weight), (wider.bias, first.bias)):
                mine[:NEURONS] = ours
            reading.weight[:, :NEURONS] = second.weight
            reading.bias[:] = second.bias
        self.wider, self.reading = wider, reading

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(1, height, width, channels) uint8 → (1, outputs)."""
        hidden = torch.relu(self.wider(pixels.to(torch.float32).flatten(1) / 255))
        return self.reading(hidden)


def main() -> None:
    options = parsed(__doc__, kept=True, board="only on the emulated board", host="only on this machine")
    builds = QUICK_BUILDS if options.quick else BUILDS
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        kept = options.keep or Path(scratch)
        if not options.host:
            found.append(on_board(builds, kept / "board"))
        if not options.board:
            found.append(on_host(builds, kept / "host"))
    shown(options, found, table)


def on_board(builds: int, kept: Path) -> dict[str, Any]:
    """Every build against one baseline, by the instruction clock."""
    with board() as target:
        before = Measuring(target, BOARD, kept).of("baseline")
    unchanged, slower = [], []
    with board() as target:
        measuring = Measuring(target, BOARD, kept)
        for seed in range(builds):
            unchanged.append((before, measuring.of(f"unchanged-{seed}")))
            slower.append((before, measuring.of(f"slower-{seed}", more=more(BOARD), seed=seed)))
    return rates(BOARD, unchanged, slower)


def on_host(builds: int, kept: Path) -> dict[str, Any]:
    """Every build against the one just measured, by the wall's clock."""
    unchanged, slower = [], []
    with closing(open_target(HOST)) as target:
        measuring = Measuring(target, HOST, kept)
        before = measuring.of("baseline")
        for seed in range(builds):
            slower.append((before, measuring.of(f"slower-{seed}", more=more(HOST), seed=seed)))
            again = measuring.of(f"unchanged-{seed}")
            unchanged.append((before, again))
            before = again
    return rates(HOST, unchanged, slower)


@contextmanager
def board() -> Iterator[Target]:
    with closing(open_target(BOARD, instruction_clock=True)) as target:
        yield target


@dataclass(frozen=True)
class Measuring:
    """Builds on one target; each measurement is `kept` under its name."""

    target: Target
    address: str
    kept: Path

    def of(self, name: str, **changes: int) -> Measured:
        """Export, bundle and measure a student, as `edgewright bench --quick` does, unless that was done."""
        file = self.kept / f"{name}.json"
        if not file.exists():
            with tempfile.TemporaryDirectory() as folder:
                built = bundled(Student(**changes).eval(), Path(folder))
                found = bench(built.path, self.address, target=self.target, quick=True).summary()
            self.kept.mkdir(parents=True, exist_ok=True)
            with written_whole(file) as unfinished:
                unfinished.write_text(json.dumps(found), encoding="utf-8")
        return read_measured(file)


def more(address: str) -> int:
    """How many neurons a slower build has more."""
    return round(SLOWER[address] * NEURONS)


def bundled(student: Student, folder: Path) -> Bundle:
    """A bundle with one artifact, made now."""
    sizes = {"height": SIDE, "width": SIDE, "channels": CHANNELS}
    drawn = torch.randint(0, 256, (IMAGES, SIDE, SIDE, CHANNELS), generator=torch.Generator().manual_seed(0))
    pixels = drawn.to(torch.uint8)
    with torch.no_grad():
        outputs = [student(each[None])[0].tolist() for each in pixels]

    facts: dict[str, Any] = {"runtime": "executorch", "file": FILE}

    def fill(inside: Path) -> None:
        source = export_input(student, ImageInputSpec(**sizes), RUNTIMES["executorch"])
        executorch_int8(source, inside / FILE)
        facts.update(bytes=(inside / FILE).stat().st_size, signature=source.signature)
        write_examples(inside, ImageInputSpec(**sizes), pixels.numpy(), outputs)

    def described(hashes: dict[str, str]) -> Manifest:
        known = manifest([])
        facts["sha256"] = hashes[FILE]
        task = TaskFacts(kind="image-classification", metric="accuracy", max_length=0, inputs=dict(sizes))
        artifacts = (known.artifacts[0].model_copy(update=facts),)
        return known.model_copy(update={"task": task, "artifacts": artifacts, "files": hashes})

    return bundles.write(folder / "bundle", described, fill)


def rates(
    address: str, unchanged: list[tuple[Measured, Measured]], slower: list[tuple[Measured, Measured]]
) -> dict[str, Any]:
    """What the gate said of each kind of pair, and by how much they really were slower."""
    found = {}
    for name, pairs in (("unchanged", unchanged), ("slower", slower)):
        said = Counter(outcome(*pair, limit=LIMITS[address]) for pair in pairs)
        changes = [latency.change_percent for pair in pairs if (latency := compare(*pair).latency)]
        found[name] = {
            "pairs": len(pairs),
            "outcomes": dict(said),
            "change_percent": {"least": min(changes), "median": median(changes), "most": max(changes)},
            "same_bytes": sum(before.artifact.sha256 == after.artifact.sha256 for before, after in pairs),
        }
    return {"target": address, "clock": clock_of(address), "limit_percent": LIMITS[address], **found}


def outcome(before: Measured, after: Measured, *, limit: float) -> str:
    """What `edgewright gate --force` says, and before it "refused" where it is not asked without `--force`."""
    comparison = compare(before, after)
    (finding,) = decide(comparison, GateLimits(slowdown_percent=limit)).findings
    return f"refused, {finding.outcome}" if comparison.obstacles else finding.outcome


def table(found: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| on | limit | builds | change of latency: median, range | passed | unsure | flagged | refused |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in found:
        for name in ("unchanged", "slower"):
            kind, change = each[name], each[name]["change_percent"]
            spread = f"{change['median']:+.2f} %, {change['least']:+.2f} to {change['most']:+.2f} %"
            cells = (each["target"], f"{each['limit_percent']:g} %", f"{kind['pairs']} {name}", spread)
            lines.append(f"| {' | '.join((*cells, *counted(kind['outcomes'])))} |")
    return "\n".join(lines)


def counted(outcomes: dict[str, int]) -> Iterator[str]:
    """Passed, unsure, flagged and refused, the last with those that would be flagged with `--force`."""
    yield from (str(outcomes.get(name, 0)) for name in ("passed", "unsure"))
    yield f"**{outcomes.get('failed', 0)}**"
    refused = sum(count for name, count in outcomes.items() if name.startswith("refused"))
    yield f"{refused} (with `--force` {outcomes.get('refused, failed', 0)} flagged)" if refused else "0"


if __name__ == "__main__":
    main()
