"""Pushing to a device: against `scp` on the same link, again, after a change, over a slow link, and through faults;
and many devices measured together.

    python -m tests.benchmarks.transport [--json] [--quick] [--speeds] [--faults] [--fleet]

Real sshd on the loopback interface. Without a switch everything is tried; a switch tries its part alone. `--quick` has
fewer rounds and devices. The faults take root, for a link that loses packets and a disk that fills up, and an emulated
board, which is reset. Say what else the machine did: what is timed here is this machine's work on both ends.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from edgewright.devices.fleet import bench_all
from edgewright.devices.inventory import NamedTarget
from edgewright.targets import open_target
from edgewright.targets.device_store.push import push_files
from tests.benchmarks import transport_faults
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.targets.links import Proxy
from tests.targets.servers import Server, started_server

SIZES_MB = (48, 25, 12, 3, 1, 1)  # 90 MB, as a float teacher's bundle
ROUNDS, QUICK_ROUNDS = 50, 5
REPEATS = 5
SLOW_MB_S = 5.0
FLEET, QUICK_FLEET, JOBS, ALONE = 32, 8, 4, 3
PROFILE = "raspberry-pi-4"
GOALS = {"throughput": 0.9, "repeat_s": 0.5, "changed_s": 1.5, "fleet_over_ideal": 1.2}


def main() -> None:
    options = parsed(
        __doc__, speeds="time pushes", faults="break pushes", fleet=f"measure {FLEET} devices, {JOBS} at a time"
    )
    chosen = {name for name in ("speeds", "faults", "fleet") if getattr(options, name)}
    found = figures(chosen or {"speeds", "faults", "fleet"}, quick=options.quick)
    shown(options, found, table)


def figures(chosen: set[str], *, quick: bool) -> dict[str, Any]:
    """Speeds first, while nothing else happens; then the devices together; the faults last."""
    found: dict[str, Any] = {"goals": GOALS, "load_1min": [os.getloadavg()[0]]}
    with a_home() as folder:
        if "speeds" in chosen:
            with a_server(folder) as server:
                found["speeds"] = {**speeds(server, folder), "slow_link": over_a_slow_link(server, folder)}
        found["load_1min"].append(os.getloadavg()[0])
        if "fleet" in chosen:
            found["fleet"] = fleet(folder, QUICK_FLEET if quick else FLEET, quick=quick)
        if "faults" in chosen:
            found["faults"] = list(transport_faults.faults(QUICK_ROUNDS if quick else ROUNDS))
    return found


@contextmanager
def a_home() -> Iterator[Path]:
    """A home directory whose keys and known hosts are this run's; what was cached stays where it is."""
    from edgewright.base.places import cache_dir

    cache = {"EDGEWRIGHT_CACHE_DIR": str(cache_dir().resolve())}
    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, {"HOME": name, **cache}):
        (Path(name) / ".ssh").mkdir(mode=0o700)
        os.environ.pop("SSH_AUTH_SOCK", None)
        yield Path(name)


@contextmanager
def a_server(folder: Path, name: str = "server") -> Iterator[Server]:
    server = started_server(folder / name, folder)
    server.trust()
    try:
        yield server
    finally:
        server.stop()


def bundle(folder: Path, sizes_mb: tuple[int, ...]) -> dict[str, Path]:
    """Files of random bytes, which no compression makes smaller."""
    folder.mkdir()
    files = {f"part-{number}": folder / f"part-{number}" for number in range(len(sizes_mb))}
    for path, size in zip(files.values(), sizes_mb, strict=True):
        path.write_bytes(os.urandom(size * 1_000_000))
    return files


def speeds(server: Server, folder: Path) -> dict[str, Any]:
    """Medians, in turn: `scp` of all files, a push to an empty device, the same push again, and one with a change."""
    files = bundle(folder / "bundle", SIZES_MB)
    took: dict[str, list[float]] = {"scp": [], "cold": [], "repeat": [], "changed": []}
    parts_again = 0
    scp_s(server, folder, files)  # once for nothing: both ends' programs and the files are in memory from here on
    for _ in range(REPEATS):
        took["scp"].append(scp_s(server, folder, files))
        emptied(server)
        took["cold"].append(push_s(server.address, files)[0])
        seconds, parts = push_s(server.address, files)
        took["repeat"].append(seconds)
        parts_again += parts
        files["part-5"].write_bytes(os.urandom(1_000_000))
        took["changed"].append(push_s(server.address, files)[0])
    middle = {f"{name}_s": median(each) for name, each in took.items()}
    throughput = middle["scp_s"] / middle["cold_s"]
    return {
        "megabytes": sum(SIZES_MB), **middle, "throughput": throughput, "parts_sent_again": parts_again, "took_s": took,
    }  # fmt: skip


def over_a_slow_link(server: Server, folder: Path) -> dict[str, Any]:
    """The native runner and its libraries through a proxy of so many MB/s: as pushed, and never compressed."""
    from edgewright.runtimes.device import runtime_for

    files: Mapping[str, Path] = runtime_for("executorch", machine="aarch64").files
    took = {}
    with closing(Proxy(server.port, bytes_per_s=SLOW_MB_S * 1e6)) as proxy:
        server.trust(port=proxy.port)
        address = f"ssh://{server.user}@127.0.0.1:{proxy.port}"
        for name, ratio in (("as_pushed_s", 0.7), ("uncompressed_s", 2.0)):  # that of which compressing hopes to pay
            emptied(server)
            with (
                mock.patch("edgewright.targets.device_store.parts.USUAL_RATIO", ratio),
                mock.patch("edgewright.targets.device_store.push.PART_BYTES", 1 << 20),
            ):
                took[name] = push_s(address, files)[0]
    size = sum(path.stat().st_size for path in files.values())
    return {"mb_s": SLOW_MB_S, "megabytes": size / 1e6, **took}


def emptied(server: Server) -> None:
    with closing(open_target(server.address)) as target:
        target.run(["rm", "-rf", str(target.home)], timeout_s=60)


def push_s(address: str, files: Mapping[str, Path]) -> tuple[float, int]:
    """How long a push takes, connecting included as it is for scp, and how many parts it sends."""
    started = time.perf_counter()
    with closing(open_target(address)) as target, mock.patch.object(target, "put", wraps=target.put) as put:
        push_files(target, files, kind="bundles")
        return time.perf_counter() - started, put.call_count


def scp_s(server: Server, folder: Path, files: Mapping[str, Path]) -> float:
    there = folder / "scp"
    there.mkdir(exist_ok=True)
    for path in there.iterdir():
        path.unlink()
    options = ["-o", f"UserKnownHostsFile={folder}/.ssh/known_hosts", "-P", str(server.port)]
    command = ["scp", "-q", "-i", f"{folder}/.ssh/id_ed25519", *options, *map(str, files.values())]
    started = time.perf_counter()
    subprocess.run([*command, f"{server.user}@127.0.0.1:{there}"], check=True)
    return time.perf_counter() - started


def fleet(folder: Path, count: int, *, quick: bool) -> dict[str, Any]:
    """`bench` on so many new devices, against the time that as many would take of which none is in another's way."""
    made = tiny_bundle(folder / "tiny")
    with ExitStack() as stack:
        servers = [stack.enter_context(a_server(folder, f"device-{number}")) for number in range(count + ALONE)]
        machines = [NamedTarget(name=f"device-{number}", address=each.address) for number, each in enumerate(servers)]
        alone_s = median(together(made, [machine], quick=quick)[0] for machine in machines[count:])
        wall_s, lost = together(made, machines[:count], quick=quick)
    ideal_s = alone_s * count / JOBS
    return {
        "devices": count, "at_a_time": JOBS, "cores": os.cpu_count(), "alone_s": alone_s, "ideal_s": ideal_s,
        "wall_s": wall_s, "over_ideal": wall_s / ideal_s, "lost": lost,
    }  # fmt: skip


def together(made: Path, machines: list[NamedTarget], *, quick: bool) -> tuple[float, int]:
    """How long all of them take, and how many have no result in the end."""
    started = time.perf_counter()
    outcomes = bench_all(made, machines, jobs=JOBS, runtime="executorch", quick=quick)
    return time.perf_counter() - started, sum(outcome.result is None for outcome in outcomes)


def tiny_bundle(place: Path) -> Path:
    """A classifier of digits, built in seconds."""
    from edgewright import pipeline
    from edgewright.specs.profiles import load_profile
    from edgewright.specs.recipe import Recipe

    recipe = Recipe.model_validate(
        {
            "recipe": {"name": "tiny-digits"},
            "model": {"factory": "tests.tiny_vision:digits_net"},
            "task": {"kind": "image-classification"},
            "data": {"builtin": "digits"},
            "budget": {"artifact_mb": 0.5, "max_score_loss_percent": 50},
            "stages": {
                "finetune": {"refit": True, "epochs": 2, "learning_rate": 3e-3},
                "prune": {"keep_macs": 0.3},
                "distill": {"epochs": 2, "learning_rate": 3e-3, "output_weight": 1},
                "export": {"runtimes": ["executorch"]},
            },
        }
    )
    return pipeline.build(recipe, load_profile(PROFILE), place).bundle.path


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    parts = (speeds_table, fleet_table, faults_table)
    return "\n\n".join("\n".join(part(found)) for part in parts if part.__name__.removesuffix("_table") in found)


def speeds_table(found: dict[str, Any]) -> Iterator[str]:
    goals, each = found["goals"], found["speeds"]
    slow = each["slow_link"]
    yield f"| push of {each['megabytes']} MB over SSH on loopback (load {found['load_1min'][0]:.1f} before) | | goal |"
    yield "|---|---|---|"
    rate = each["megabytes"] / each["cold_s"]
    yield f"| to an empty device | {rate:.0f} MB/s, {each['throughput']:.2f}× `scp` | {goals['throughput']}× |"
    again = each["parts_sent_again"]
    yield f"| again | {each['repeat_s']:.2f} s, {again} parts sent | {goals['repeat_s']} s, 0 parts |"
    yield f"| one file of 1 MB changed | {each['changed_s']:.2f} s | {goals['changed_s']} s |"
    yield (
        f"| the native runner's {slow['megabytes']:.0f} MB over {slow['mb_s']:g} MB/s "
        f"| {slow['as_pushed_s']:.1f} s, never compressed {slow['uncompressed_s']:.1f} s | |"
    )


def fleet_table(found: dict[str, Any]) -> Iterator[str]:
    each = found["fleet"]
    yield "| devices | at a time | one alone | ideal | all | over the ideal (goal 1.2) | results lost |"
    yield "|---|---|---|---|---|---|---|"
    yield (
        f"| {each['devices']}, on {each['cores']} cores | {each['at_a_time']} | {each['alone_s']:.1f} s "
        f"| {each['ideal_s']:.0f} s | {each['wall_s']:.0f} s | {each['over_ideal']:.2f}× | {each['lost']} |"
    )


def faults_table(found: dict[str, Any]) -> Iterator[str]:
    yield "| fault | times | pushes that broke | wrong when made again | something left behind |"
    yield "|---|---|---|---|---|"
    for each in found["faults"]:
        yield f"| {each['fault']} | {each['times']} | {each['broke']} | {each['wrong']} | {each['left']} |"


if __name__ == "__main__":
    main()
