"""A program holds a table once that is looked up and multiplied by, and gives what it gave."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edgewright.compress.low_rank import factorise
from edgewright.modality.encoded import Encoded
from edgewright.models.decoder import DecoderModel
from edgewright.models.inputs import TextInputs
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.executorch import compact as compacting
from edgewright.runtimes.executorch import int8 as xnnpack
from edgewright.runtimes.executorch.compact import compact
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.table import RUNTIMES
from tests import tiny_decoders
from tests.runtimes.test_decoder_input import asked

pytestmark = pytest.mark.slow

EXECUTORCH = RUNTIMES["executorch"]
CONTEXT = 40
TIED = "llama with one table"


@pytest.fixture(autouse=True)
def small_tables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "LEAST_BYTES", 512)


def written(model: DecoderModel, file: Path, *, scheme: str = "int8") -> list[float]:
    """Write the artifact; what it says of a prompt and of the token after it."""
    source = generating_input(model, EXECUTORCH, context=CONTEXT)
    if scheme == "float":
        EXECUTORCH.write_float(source, file)
    else:
        EXECUTORCH.write_int8(source, file, file, Int8())
    assert EXECUTORCH.session is not None
    run = EXECUTORCH.session(file, source.signature)
    first = run(asked(source.signature, [5, 6, 7], 0))["logits"]
    return [*first[0].tolist(), *run(asked(source.signature, [9], 3))["logits"][0].tolist()]


def test_a_tied_table_of_int8_is_in_the_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoders.decoder(TIED)
    once = written(model, tmp_path / "once.pte")
    rows = xnnpack.QuantizedEmbedding(model.tokens).rows.numpy().tobytes()
    assert (tmp_path / "once.pte").read_bytes().count(rows) == 1
    monkeypatch.setattr("edgewright.runtimes.executorch.export.compact", lambda content: content)
    assert written(model, tmp_path / "twice.pte") == once
    assert (tmp_path / "twice.pte").read_bytes().count(rows) == 2
    sizes = [(tmp_path / name).stat().st_size for name in ("once.pte", "twice.pte")]
    assert sizes[1] - sizes[0] >= len(rows) - 200
    again = compact((tmp_path / "twice.pte").read_bytes())
    assert len(again) == sizes[0]
    assert compact(again) == again


def test_a_tied_table_of_floats_is_too(tmp_path: Path) -> None:
    model = tiny_decoders.decoder(TIED)
    found = written(model, tmp_path / "model.pte", scheme="float")
    assert (tmp_path / "model.pte").read_bytes().count(model.tokens.weight.detach().numpy().tobytes()) == 1
    with torch.no_grad():
        wanted = model(torch.tensor([[5, 6, 7, 9]]))[0, 2:].flatten().numpy()
    assert np.abs(np.array(found) - wanted).max() < 1e-4


def test_tables_of_a_model_with_two_stay_two(tmp_path: Path) -> None:
    model = tiny_decoders.decoder("llama")
    written(model, tmp_path / "model.pte")
    content = (tmp_path / "model.pte").read_bytes()
    for table in (model.tokens, model.output):
        assert content.count(xnnpack.QuantizedEmbedding(table).rows.numpy().tobytes()) == 1


def test_a_tied_table_of_low_rank_is_exported_in_int8_and_says_what_the_model_does(tmp_path: Path) -> None:
    texts = [tuple(tiny_decoders.ids_of(1, 12, seed=seed)[0].tolist()) for seed in range(9)]
    inputs = TextInputs([Encoded(ids=ids, words=tuple(range(len(ids)))) for ids in texts])
    model = factorise(tiny_decoders.decoder(TIED), inputs, parts=("tokens",), ranks={"tokens": 16}).model
    assert isinstance(model, DecoderModel)
    found = np.array(written(model, tmp_path / "model.pte"))
    with torch.no_grad():
        wanted = model(torch.tensor([[5, 6, 7, 9]]))[0, 2:].flatten().numpy()
    assert np.abs(found - wanted).mean() < 0.1 * wanted.std()
    rows = xnnpack.QuantizedEmbedding(model.tokens).rows.numpy().tobytes()
    assert (tmp_path / "model.pte").read_bytes().count(rows) == 1


def test_what_is_no_program_of_segments_stays_as_it_is() -> None:
    assert compact(bytes(64)) == bytes(64)
