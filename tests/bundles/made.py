"""A bundle of a few bytes, made by hand, and ways to alter it as a forger would."""

import json
from collections.abc import Callable
from pathlib import Path

from edgewright.base.digest import sha256_of
from edgewright.bundles.files import seal
from edgewright.bundles.schema import Manifest
from edgewright.specs.budget import Budget

FILES = {
    "model.pte": bytes(range(256)) * 8,
    "model.tflite": b"a model of LiteRT" * 40,
    "tokenizer.json": b'{"model": {}}',
    "vectors.json": b'{"inputs": [[2, 3]], "outputs": [[1.0]]}',
}

SIGNATURE = {
    "methods": [
        {
            "name": "forward",
            "inputs": [
                {
                    "name": "ids",
                    "dtype": "int64",
                    "shape": [1, {"name": "length", "most": 32}],
                }
            ],
            "outputs": [{"name": "output", "dtype": "float32", "shape": [1, 2]}],
        }
    ]
}


def artifact(runtime: str, file: str, sha256: str) -> dict[str, object]:
    return {
        "runtime": runtime,
        "runtime_version": "1.0",
        "file": file,
        "bytes": len(FILES[file]),
        "sha256": sha256,
        "signature": SIGNATURE,
        "score": 0.5,
        "parity": {"passed": True, "cosine_min": 0.99, "max_abs_error": 0.1, "cosine_limit": 0.98},
        "latency_ms": 1.0,
        "float_latency_ms": 2.0,
        "teacher_latency_ms": 8.0,
        "speedup": 8.0,
        "peak_rss_bytes": 1000,
    }


def manifest(hashes: dict[str, str]) -> Manifest:
    model = {"score": 0.5, "parameters": 10, "bytes": 40, "latency_ms": 1.0}
    values = {
        "name": "tiny",
        "edgewright": "0.1.0",
        "created": "2026-11-23T10:00:00+00:00",
        "profile": "raspberry-pi-4",
        "recipe": {"recipe": {"name": "tiny"}},
        "task": {"kind": "classification", "metric": "accuracy", "max_length": 32, "labels": ["a", "b"]},
        "teacher": model,
        "student": model,
        "baseline": {"name": "TF-IDF", "score": 0.4},
        "artifacts": [
            artifact("executorch", "model.pte", hashes["model.pte"]),
            artifact("litert", "model.tflite", hashes["model.tflite"]),
        ],
        "best": "litert",
        "stages": [{"name": "texts", "seconds": 0.1, "made_in_seconds": 0.1, "cached": False}],
        "budget": Budget(artifact_mb=1.0).model_dump(),
        "verdict": {"met": True, "missed": [], "undecided": []},
        "packages": {"torch": "2"},
        "machine": {"processor": "x86_64"},
        "files": hashes,
    }
    return Manifest.model_validate_json(json.dumps(values))


def fill(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)


def change_manifest(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    del values["sha256"]
    change(values)
    path.write_text(seal(values))


def resign(folder: Path, name: str, content: bytes, *, listed: bool = True) -> None:
    """Let a file and its place in the manifest say something else, as a forger would."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    if listed:
        change_manifest(folder, lambda values: values["files"].update({name: sha256_of(folder / name)}))  # type: ignore[attr-defined]
