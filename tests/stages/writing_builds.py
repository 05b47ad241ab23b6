"""Recipes of tiny decoders that build in seconds: the models in folders, and the text that they go on with."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from edgewright.specs.recipe import Recipe
from tests import tiny, tiny_bpe, tiny_decoders

LENGTH, CONTEXT = 32, 48
RUNTIMES = ("executorch", "litert", "onnx")
READING = ["documents", "teacher", "vocabulary"]
PIECES = 330  # of 400


@cache
def teacher(kind: str = "llama") -> Path:
    """A folder of a tiny decoder with one table, and its tokenizer."""
    folder = tiny.scratch() / f"writes-{kind}"
    changes = {} if kind == "gpt2" else {"tie_word_embeddings": True}
    tiny_decoders.written(folder, kind, **changes)
    return folder


def documents(folder: Path) -> Path:
    """A text file of some hundred short paragraphs."""
    file = folder / "texts.txt"
    file.write_text("\n\n".join(tiny_bpe.docstrings()[:160]) + "\n", encoding="utf-8")
    return file


def recipe(data: Path, /, *, kind: str = "llama", **changes: Mapping[str, Any]) -> Recipe:
    """One that cuts layers, heads, neurons and pieces; `changes` are merged into sections of stages."""
    sections: dict[str, dict[str, Any]] = {
        "vocabulary": {"size": PIECES},
        "prune": {"layers": 2, "heads": 2, "neurons": 24},
        "distill": {"train_tokens": 600, "batch_tokens": 128, "tokens": 1200, "learning_rate": 1e-3},
        "export": {"runtimes": list(RUNTIMES), "context": CONTEXT, "prefill_lengths": [8, 16]},
    }
    other = {"task", "data", "budget", "model"}
    parted = {"document": "paragraph"} if data.suffix == ".txt" else {}
    for name in set(changes) - other:
        sections[name] = {**sections.get(name, {}), **changes[name]}
    return Recipe.model_validate(
        {
            "recipe": {"name": f"tiny-{kind}"},
            "model": {"folder": teacher(kind), **changes.get("model", {})},
            "task": {"kind": "language-modelling", "max_length": LENGTH, **changes.get("task", {})},
            "data": {"file": data, **parted, **changes.get("data", {})},
            "budget": changes.get("budget", {}),
            "stages": sections,
        }
    )
