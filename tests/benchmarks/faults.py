"""What becomes of 200 faulty inputs: recipes, tables, models' folders, bundles, devices' answers and the history.

    python -m tests.benchmarks.faults [--json] [--quick]

Each is a sound input with something wrong in it, drawn from a fixed seed. It ends in a clear error with the exit code
of its kind (2 for files, 3 for devices, 2 or 4 for models), or it is taken, and then what was read has to be what the
file says by a reference reader: `tomllib`, `csv`, `json`, transformers, the bundle as it was written. Counted are
clear errors, inputs that were rightly taken, errors with another exit code, what was called unexpected or ended in a
traceback, and silent differences; the goal of the last three is 0.
"""

import base64
import contextlib
import csv
import io
import json
import math
import os
import random
import shutil
import sqlite3
import tempfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from edgewright.bundles.bundle import Bundle, write
from edgewright.cli.failures import failure_of
from edgewright.cli.main import main as command
from edgewright.data.readers import read_rows
from edgewright.measure.results import parse_result
from edgewright.models import teacher as teachers
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import ModelSource, find_recipe, load_recipe
from edgewright.store.history import History
from edgewright.targets.base import Completed
from edgewright.targets.device_store.lease_holder import read_holder
from edgewright.targets.facts import MACHINE
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.measure.examples import asked, result_document
from tests.mutations import NASTY, mutated
from tests.report.documents import bench

SEED = 25
ROOMS = {"recipes": 40, "tables": 40, "models": 30, "bundles": 30, "devices": 40, "history": 20}
QUICK = 5  # times fewer
OUTCOMES = ("clear error", "rightly taken", "wrong exit code", "unexpected", "silent difference")
BAD = OUTCOMES[2:]
TEXTS = ("rain and snow", "walk to the tree", "soup, bread and [MASK]")
RECORDINGS = Path(__file__).parents[1] / "recordings"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One faulty input: how it is read, which exit codes are its kind's, and whether what was read is what it says."""

    name: str
    read: Callable[[], Any]
    codes: tuple[int, ...]
    right: Callable[[Any], bool]


class Exited(Exception):
    """A command that ended; its code and what it told."""


def outcome(case: Case) -> tuple[str, str]:
    """(one of `OUTCOMES`, what was said)."""
    try:
        found = case.read()
    except Exited as ended:
        code, said = ended.args
        if "unexpected" in said or "Traceback" in said:
            return "unexpected", said
        return ("clear error" if code in case.codes else "wrong exit code"), f"{code}: {said}"
    except BaseException as error:
        failure = failure_of(error)
        if not failure.expected:
            return "unexpected", failure.message
        return ("clear error" if failure.exit_code in case.codes else "wrong exit code"), failure.message
    return ("rightly taken" if case.right(found) else "silent difference"), ""


def recipes(draw: random.Random, folder: Path, count: int) -> Iterator[Case]:
    sound = [find_recipe(name).text for name in ("demo", "digits", "packages")]
    for number in range(count):
        text = mutated(draw.choice(sound), draw, times=draw.choice((1, 1, 2)))
        file = written(folder / f"recipe-{number}.toml", text)
        if number % 4 == 3:
            text = mutated('[profile]\nextends = "raspberry-pi-4"\nname = "mine"\ntitle = "Mine"\n', draw)
            file = written(folder / f"profile-{number}.toml", text)
            yield Case(
                name=file.name, read=lambda file=file: load_profile(file), codes=(2,), right=says(text, "profile")
            )
        else:
            read = lambda file=file: load_recipe(file)  # noqa: E731
            yield Case(name=file.name, read=read, codes=(2,), right=says(text))


def says(text: str, *skipped: str) -> Callable[[Any], bool]:
    """Whether a model's values are those of the TOML text, as far as they are plain numbers, truths and words."""

    def right(found: Any) -> bool:
        try:
            return agrees(tomllib.loads(text.removeprefix("\ufeff")), found.model_dump(mode="json"), skipped)
        except (tomllib.TOMLDecodeError, ValueError):
            return False

    return right


def agrees(said: Mapping[str, Any], read: Mapping[str, Any], skipped: Sequence[str]) -> bool:
    for key, value in said.items():
        if key in skipped or key in ("extends", "folder", "file", "train", "validation", "test", "extra_text"):
            continue
        if isinstance(value, Mapping):
            inner = read.get(key)
            if isinstance(inner, Mapping) and not agrees(value, inner, skipped):
                return False
        elif isinstance(value, bool | int | float | str) and read.get(key, value) not in (value, [value, value]):
            return False  # a side of an image stands for both
    return True


def tables(draw: random.Random, folder: Path, count: int) -> Iterator[Case]:
    words = ("rain", "snow, wind", 'a "quoted" word', "süß", "one\nand two", "", "nan", "42", "x" * 200)
    for number in range(count):
        rows = [{"text": draw.choice(words[:5]), "label": draw.choice(("a", "b"))} for _ in range(draw.randrange(1, 6))]
        if draw.random() < 0.5:
            sink = io.StringIO()
            writer = csv.DictWriter(sink, ("text", "label"))
            writer.writeheader()
            writer.writerows(rows)
            text, name = sink.getvalue(), f"{number}.csv"
        else:
            text, name = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), f"{number}.jsonl"
        text = mutated(text, draw)
        file = written(folder / name, text)
        yield Case(
            name=name,
            read=lambda file=file: read_rows(file, {"text": "text", "label": "label"}),
            codes=(2,),
            right=lambda found, file=file: [dict(row) for row in found] == reference_rows(file),
        )


def reference_rows(file: Path) -> list[dict[str, str]] | None:
    """What Python's own readers, at their strictest, find; cells without the space around them, as they are taken."""
    text = file.read_bytes().decode("utf-8-sig", "surrogatepass")
    if file.suffix == ".csv":
        try:
            found = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        except csv.Error:
            return None
        if any(None in row or None in row.values() for row in found):
            return None
    else:
        found = [json.loads(line) for line in text.split("\n") if line.strip()]
    return [{name: as_text(row.get(name)) for name in ("text", "label")} for row in found]


def as_text(cell: Any) -> str:
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()


def models(draw: random.Random, folder: Path, count: int) -> Iterator[Case]:
    from tests import tiny

    sound = tiny.bert_folder()
    for number in range(count):
        place = folder / f"model-{number}"
        shutil.copytree(sound, place)
        file = place / draw.choice(("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"))
        if file.suffix == ".json":
            text = file.read_text()
            whole = text if len(text) < 5000 or draw.random() < 0.5 else ""
            changed = mutated(whole, draw) if whole else mutated(text[:2000], draw) + text[2000:]
            written(file, changed)
        else:
            data = bytearray(file.read_bytes())
            spot = draw.randrange(min(len(data), 3000))
            written_bytes = data[:spot] if draw.random() < 0.3 else flipped(data, spot, draw)
            file.write_bytes(bytes(written_bytes))
        yield Case(name=f"{place.name}/{file.name}", read=lambda place=place: embedded(place), codes=(2, 4), right=bool)


def embedded(place: Path) -> bool:
    """Whether the model as it was read is the one that transformers reads there."""
    teacher = teachers.load(ModelSource(folder=place), head="vector", max_length=16)
    if teacher.reference is None:
        return False
    return math.isfinite(teacher.reference.compare(TEXTS).greatest_difference)


def bundles(draw: random.Random, folder: Path, count: int) -> Iterator[Case]:
    from tests.bundles.made import fill, manifest

    for number in range(count):
        place = folder / f"bundle-{number}{draw.choice(('', '.zip'))}"
        with mock.patch.dict(os.environ, {"EDGEWRIGHT_CACHE_DIR": str(folder / "cache")}):
            sound = write(place, manifest, fill).manifest
        spoil(place, draw)
        yield Case(
            name=place.name,
            read=lambda place=place: opened(place, folder / "cache"),
            codes=(2,),
            right=lambda found, sound=sound: found.manifest == sound and bytes_of(found) == dict(files_of(fill)),
        )


def opened(place: Path, cache: Path) -> Bundle:
    with mock.patch.dict(os.environ, {"EDGEWRIGHT_CACHE_DIR": str(cache)}):
        return Bundle.open(place)


def bytes_of(bundle: Bundle) -> dict[str, bytes]:
    return {name: bundle.file(name).read_bytes() for name in bundle.manifest.files}


def files_of(fill: Callable[[Path], None]) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as scratch:
        fill(Path(scratch))
        yield from [(path.name, path.read_bytes()) for path in sorted(Path(scratch).iterdir())]


def spoil(place: Path, draw: random.Random) -> None:
    """Harm a bundle: a bit, a cut, a missing, linked or added file, a bomb."""
    if place.suffix == ".zip":
        data = bytearray(place.read_bytes())
        way = draw.randrange(4)
        if way == 0:
            place.write_bytes(bytes(data[: draw.randrange(len(data))]))
        elif way == 1:
            with zipfile.ZipFile(place, "a", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr(draw.choice(("../x", "/etc/x", "more", "a" * 300, "corpus.json")), bytes(1_000_000))
        else:
            place.write_bytes(bytes(flipped(data, draw.randrange(len(data)), draw)))
        return
    file = draw.choice(sorted(place.iterdir()))
    way = draw.randrange(5)
    if way == 0:
        file.unlink()
    elif way == 1:
        file.rename(place.parent / f"{place.name}-moved")
        file.symlink_to(place.parent / f"{place.name}-moved")
    elif way == 2 and file.suffix == ".json":
        written(file, mutated(file.read_text(), draw))
    else:
        data = bytearray(file.read_bytes())
        file.write_bytes(bytes(flipped(data, draw.randrange(len(data)), draw)))


def devices(draw: random.Random, folder: Path, count: int) -> Iterator[Case]:
    sound = json.dumps(result_document())
    recorded = sorted(RECORDINGS.glob("raspberry-pi-4/*.txt"))
    for number in range(count):
        if number % 4 == 3:
            text = mutated(draw.choice(recorded).read_text(errors="replace"), draw, times=2)
            yield Case(name=f"facts {number}", read=lambda text=text: facts_of(text), codes=(3,), right=plausible)
        elif number % 4 == 2:
            text = mutated('3 80\n{"who": "me@here", "pid": 12, "what": "a bench"}', draw)
            yield Case(
                name=f"lease {number}",
                read=lambda text=text: read_holder(text),
                codes=(3,),
                right=lambda found: 0 <= found.left_s < math.inf,
            )
        else:
            text, status = mutated(sound, draw), draw.choice((0, 0, 0, 1, -9, 132))
            completed = Completed(argv=("runner",), status=status, stdout=text, stderr=draw.choice(NASTY[:12]))
            yield Case(
                name=f"runner {number}",
                read=lambda completed=completed: parse_result(completed, asked()),
                codes=(3,),
                right=lambda found, text=text: is_what_was_said(found, text),
            )


def facts_of(text: str) -> dict[str, Any]:
    return {name: fact.parse(text) for name, fact in MACHINE.items()}


def plausible(found: Mapping[str, Any]) -> bool:
    numbers = [value for value in found.values() if isinstance(value, int | float)]
    json.dumps(found, allow_nan=False)
    return all(abs(number) < 1 << 80 for number in numbers)


def is_what_was_said(found: Any, text: str) -> bool:
    said = json.loads(text)
    return all(list(getattr(found, name)) == said[name] for name in ("latency_ms",)) and [
        [each["data"] for each in call] for call in said["outputs"]
    ] == [[base64.b64encode(each.data).decode() for each in call] for call in found.outputs]


def history(draw: random.Random, folder: Path, count: int) -> Iterator[Case]:
    for number in range(count):
        file = folder / f"history-{number}.sqlite"
        with History(f"sqlite:///{file}") as kept:
            for place in range(2):
                kept.add("bench", bench(seed=place))
        if number % 3 == 2:
            data = bytearray(file.read_bytes())
            file.write_bytes(
                bytes(
                    data[: draw.randrange(len(data))]
                    if draw.random() < 0.4
                    else flipped(data, draw.randrange(len(data)), draw)
                )
            )
        else:
            with contextlib.closing(sqlite3.connect(file)) as database, database:
                text = mutated(json.dumps(bench()), draw).encode("utf-8", "surrogatepass")
                database.execute("UPDATE documents SET content = CAST(? AS TEXT) WHERE entry_id = 2", (text,))
        words = draw.choice(
            (["history", "show", "2"], ["compare", "1", "2"], ["gate", "2", "--baseline", "1", "--max-slowdown", "3%"],
             ["report", "2", "--format", "md", "-o", "-"], ["history", "list"], ["history", "show", "2", "--json"])
        )  # fmt: skip
        yield Case(
            name=f"{file.name}: {' '.join(words)}",
            read=lambda words=words, file=file: ran(words, file),
            codes=(2,),
            right=lambda code, words=words: code == 0 or (code == 1 and words[0] == "gate"),
        )


def ran(words: Sequence[str], file: Path) -> int:
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, {"EDGEWRIGHT_HISTORY": str(file)}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = command(list(words))
    if code not in (0, 1) or "unexpected" in err.getvalue():
        raise Exited(code, err.getvalue())
    return code


def written(file: Path, text: str) -> Path:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return file


def flipped(data: bytearray, place: int, draw: random.Random) -> bytearray:
    data[place % len(data)] ^= 1 << draw.randrange(8)
    return data


def found_in(rooms: Mapping[str, int]) -> dict[str, Any]:
    """Counts for each room, and what was not as it should be."""
    makers = {
        "recipes": recipes, "tables": tables, "models": models, "bundles": bundles, "devices": devices,
        "history": history,
    }  # fmt: skip
    counts: dict[str, Counter[str]] = {}
    faults = []
    with tempfile.TemporaryDirectory(prefix="edgewright-faults-") as scratch:
        for room, count in rooms.items():
            folder = Path(scratch) / room
            folder.mkdir()
            counts[room] = Counter()
            for case in makers[room](random.Random(f"{SEED} {room}"), folder, count):
                result, said = outcome(case)
                counts[room][result] += 1
                if result in BAD:
                    faults.append({"room": room, "case": case.name, "outcome": result, "said": said[:300]})
    rows = [{"room": room, **{name: each[name] for name in OUTCOMES}} for room, each in counts.items()]
    total = {"room": "all", **{name: sum(row[name] for row in rows) for name in OUTCOMES}}
    return {"rows": [*rows, total], "faults": faults}


def table(found: Mapping[str, Any]) -> str:
    lines = [f"{'':10}" + "".join(f"{name:>19}" for name in OUTCOMES)]
    lines += [f"{row['room']:10}" + "".join(f"{row[name]:>19}" for name in OUTCOMES) for row in found["rows"]]
    lines += [f"{each['outcome']}: {each['room']}, {each['case']}: {each['said']}" for each in found["faults"]]
    return "\n".join(lines)


def main() -> int:
    options = parsed(__doc__)
    rooms = {room: max(1, count // QUICK) if options.quick else count for room, count in ROOMS.items()}
    found = found_in(rooms)
    shown(options, found, table)
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
