"""What built-in recipes give now, beside what they gave before the house was rebuilt.

    python -m tests.benchmarks.house_builds [--json] [--quick]

In:  `tests/recordings/house/before.json`, which says how its figures were taken.
Out: for each recipe its size, score and structure, its instructions per inference on the emulated board of its profile,
and how long the same build takes again from a warm cache. With `--quick` the recipe `quick` alone is built.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed

BEFORE = Path(__file__).parents[1] / "recordings" / "house" / "before.json"
QUICK = ("quick",)
# How far a figure may be from the one before: scores differ by the order of a machine's sums, sizes hardly.
SCORE_NOISE, SIZE_PERCENT, INSTRUCTION_PERCENT, WARM_BUILD_S = 0.005, 2.0, 2.0, 10.0


def main() -> None:
    options = parsed(__doc__)
    shown(options, {"builds": compared(QUICK if options.quick else None)}, lambda found: builds_table(found["builds"]))


def compared(names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """One row for each figure of each recipe that has one from before."""
    recorded = json.loads(BEFORE.read_text(encoding="utf-8"))["recipes"]
    return [row for name in names or recorded for row in _rows(name, recorded[name])]


def builds_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| recipe | figure | before | now | as before |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [str(row["recipe"]), str(row["figure"]), _shown(row["before"]), _shown(row["now"])]
        lines.append(f"| {' | '.join(cells)} | {'yes' if row['as_before'] else 'no'} |")
    return "\n".join(lines)


def _rows(name: str, before: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    from edgewright import build, load_profile, load_recipe

    recipe, profile = load_recipe(name), load_profile(before["profile"])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "bundle")
        build(recipe, profile, place, even_if_unreachable=True)
        begun = time.perf_counter()
        build(recipe, profile, Path(folder, "again"), even_if_unreachable=True)
        warm_s = time.perf_counter() - begun
        manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        yield from rows_of(name, before, manifest)
        for runtime, artifact in before["artifacts"].items():
            if "instruction_ms" in artifact:
                now = _instruction_ms(place, before["profile"], runtime)
                yield _percent(name, f"{runtime}: instructions, ms of 2 ns", artifact["instruction_ms"], now)
    yield _row(name, "build from a warm cache, s", WARM_BUILD_S, warm_s, warm_s <= WARM_BUILD_S)


def rows_of(name: str, before: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a manifest says of itself, beside the recording."""
    for figure, value in before["student"].items():
        now = manifest["student"][figure]
        allowed = SCORE_NOISE if figure == "score" else SIZE_PERCENT / 100 * value
        yield _row(name, f"student: {figure}", value, now, abs(now - value) <= allowed)
    if "layers" in before:
        (*_, found) = (each["findings"]["layers"] for each in manifest["stages"] if each["name"] == "prune")
        now = [[each["heads"], each["neurons"]] for each in found]
        yield _row(name, "heads and neurons of the layers", before["layers"], now, now == before["layers"])
    artifacts = {each["runtime"]: each for each in manifest["artifacts"]}
    for runtime, artifact in before["artifacts"].items():
        yield _percent(name, f"{runtime}: bytes", artifact["bytes"], artifacts[runtime]["bytes"], SIZE_PERCENT)
        if "score" in artifact:
            was, now = artifact["score"], artifacts[runtime]["score"]
            yield _row(name, f"{runtime}: score", was, now, abs(now - was) <= SCORE_NOISE)


def _instruction_ms(bundle: Path, profile: str, runtime: str) -> float:
    from edgewright import bench

    found: float = bench(bundle, f"emulated://{profile}", runtime=runtime).summary()["latency_ms"]["p50"]
    return found


def _percent(name: str, figure: str, before: float, now: float, percent: float = INSTRUCTION_PERCENT) -> dict[str, Any]:
    return _row(name, figure, before, now, abs(now / before - 1) * 100 <= percent)


def _row(name: str, figure: str, before: object, now: object, as_before: bool) -> dict[str, Any]:
    return {"recipe": name, "figure": figure, "before": before, "now": now, "as_before": as_before}


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
