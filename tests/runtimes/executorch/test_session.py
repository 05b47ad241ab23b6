"""A .pte in this process gives the outputs of its methods by name, and prints nothing."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edgewright.runtimes.executorch.session import Session
from tests import artifacts
from tests.runtimes import split

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(split.file("executorch"), split.signature("executorch"))


def test_outputs_come_by_their_names_at_every_length(session: Session) -> None:
    for numbers in ([3.0, 1.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]):
        outputs = session(split.call("executorch", numbers, 10.0))
        assert outputs.keys() == {"products", "total"}
        assert outputs["products"].dtype == "float32"
        found = split.cut("executorch", outputs, len(numbers))
        assert found == {"products": [10 * each for each in numbers], "total": [sum(numbers)]}


def test_what_a_call_gave_stays_when_the_next_is_made(session: Session) -> None:
    first = session(split.call("executorch", [1.0, 2.0], 1.0))
    kept = {name: each.copy() for name, each in first.items()}
    second = session(split.call("executorch", [5.0, 6.0], -1.0))
    for name, each in first.items():
        assert each.tolist() == kept[name].tolist(), name
        assert each.tolist() != second[name].tolist(), name


def test_two_sessions_of_one_file_know_nothing_of_each_other() -> None:
    one, other = (Session(split.file("executorch"), split.signature("executorch")) for _ in range(2))
    first = one(split.call("executorch", [1.0, 2.0], 3.0))
    other(split.call("executorch", [7.0, 8.0], 9.0))
    assert split.cut("executorch", first, 2) == {"products": [3.0, 6.0], "total": [3.0]}


@pytest.mark.parametrize("content", [b"", b"no model" * 100], ids=["empty", "other"])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / split.file("executorch").name
    file.write_bytes(content)
    with pytest.raises((RuntimeError, ValueError)):
        Session(file, split.signature("executorch"))


def test_nothing_is_printed_while_an_artifact_is_loaded_and_run() -> None:
    """Its threads would tell in which files they looked for the processor's name."""
    program = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        import numpy as np
        from edgewright.runtimes.executorch.session import Session
        from edgewright.specs.signature import Signature
        signature = Signature.model_validate_json({artifacts.signature("executorch").model_dump_json()!r})
        call = signature.method("forward").call(dict(ids=np.array([[1, 2, 3]])))
        Session(Path({str(artifacts.float_pte())!r}), signature)(call)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
