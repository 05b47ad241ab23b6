"""Documents as `edgewright bench --json` prints them, for tests of what is made of them."""

import random
from typing import Any

MACHINE = {"board": "Raspberry Pi 4 Model B", "cpu_model": "Cortex-A72", "arch": "aarch64", "cores": 4}


def bench(*, slower: float = 1.0, seed: int = 0, inputs: int = 4, rounds: int = 25, **changes: Any) -> dict[str, Any]:
    """A measurement of inputs that take 1, 2, … ms, each sample with a percent of noise; `changes` replace parts."""
    draw = random.Random(seed)
    samples = [slower * (1 + place) * draw.gauss(1, 0.01) for _ in range(rounds) for place in range(inputs)]
    shares = {f"p{share}": sorted(samples)[len(samples) * share // 100] for share in (50, 90, 99)}
    return {
        "bundle": "build/demo",
        "name": "demo",
        "profile": "raspberry-pi-4",
        "metric": "accuracy",
        "score": 0.912,
        "target": "ssh://pi@raspberrypi.local",
        "emulated": False,
        "clock": "wall",
        "artifact": {
            "runtime": "executorch",
            "runtime_version": "1.5.1",
            "file": "model.pte",
            "bytes": 5_000_000,
            "sha256": "ab" * 32,
        },
        "threads": 1,
        "input_lengths": [8 * (1 + place) for place in range(inputs)],
        "latency_ms": {"count": len(samples), **shares, "samples": samples},
        "runs": [inputs * (rounds // 5)] * 5,
        "peak_rss_bytes": 18_000_000,
        "stable": True,
        "reasons": [],
        "machine": dict(MACHINE),
        "parity": {"passed": True, "cosine_min": 0.999, "max_abs_error": 0.01},
        "budget": {"met": True, "missed": [], "undecided": []},
        **changes,
    }
