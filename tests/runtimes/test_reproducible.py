"""The same model gives the same bytes, in another process and with another hash seed too."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import artifacts

ROOT = Path(__file__).parents[2]
MADE = {
    "float .pte": artifacts.float_pte,
    "int8 .pte": lambda: artifacts.int8_pte()[0],
    "float .tflite": artifacts.float_tflite,
    "int8 .tflite": artifacts.int8_tflite,
    "float .onnx": artifacts.float_onnx,
    "int8 .onnx": artifacts.int8_onnx,
}


def hashes() -> dict[str, str]:
    return {name: hashlib.sha256(made().read_bytes()).hexdigest() for name, made in MADE.items()}


@pytest.mark.slow
def test_every_artifact_is_the_same_to_the_byte_when_another_process_makes_it_again() -> None:
    program = f"import json; from {__name__} import hashes; print(json.dumps(hashes()))"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == hashes()
