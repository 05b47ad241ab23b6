"""Whatever stands in a document of prompts, the Python runner reads it or refuses it in one sentence."""

import importlib
import json
import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "device_scripts"
ODD = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, 5e-324, float("nan"), float("inf"), "", "x",
    "\u0000", "\ud800", "9" * 500, [], [[]], [[[]]], {}, {"a": []}, [1] * 50, [0.5], [True],
)  # fmt: skip
PROMPT = {
    "ids": [3, 4], "max_tokens": 5, "temperature": 1.0, "top_k": 2, "top_p": 1.0, "repetition_penalty": 1.0, "seed": 0,
    "stop": [[1]], "logits": False,
}  # fmt: skip
DOCUMENT = {
    "schema": 2,
    "state": [{"name": "kept", "dtype": "float32", "shape": [4, 1]}],
    "program": {
        "prefill": [{"entry": "prefill", "least": 4, "most": 4}],
        "decode": "decode",
        "ids": {"name": "ids", "dtype": "int64"},
        "position": {"name": "position", "dtype": "int64"},
        "logits": "logits",
        "state": ["kept"],
        "context": 100,
        "vocabulary": 10,
    },
    "prompts": [PROMPT, PROMPT],
}


def damaged(chance: random.Random) -> bytes:
    """The document as JSON with some fields gone, added or odd, and at times bits that are turned over."""
    document: Any = deepcopy(DOCUMENT)
    for _ in range(chance.randint(0, 3)):
        place = chance.choice(list(places(document)) or [document])
        if isinstance(place, list):
            place[chance.randrange(len(place))] = deepcopy(chance.choice(ODD))
        elif chance.random() < 0.2:
            place.pop(chance.choice(list(place)), None)
        else:
            place[chance.choice([*place, "another"])] = deepcopy(chance.choice(ODD))
    text = bytearray(json.dumps(document).encode())
    for _ in range(chance.choice([0, 0, 0, 1, 4])):
        text[chance.randrange(len(text))] ^= 1 << chance.randrange(8)
    return bytes(text)


def places(document: Any) -> Iterator[Any]:
    """Every object and list that is not empty."""
    if isinstance(document, dict | list) and document:
        yield document
        for each in document.values() if isinstance(document, dict) else document:
            yield from places(each)


def test_a_damaged_document_of_prompts_is_read_or_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    generation: Any = importlib.import_module("generation")
    reading: Any = importlib.import_module("job_reading")
    read, faults = 0, []
    for seed in range(5000):
        text = damaged(random.Random(seed))
        try:
            generation.read_prompts(reading.parsed_json(text, "the document"))
            read += 1
        except reading.Fault as fault:  # whatever else is raised fails this test
            faults.append(fault)
    assert min(read, len(faults)) > 200
    assert {fault.kind for fault in faults} == {"bad-job"}
    assert all("\n" not in str(fault) and len(str(fault)) < 1000 for fault in faults)
