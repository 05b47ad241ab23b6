"""A `.tflite` of the tiny model, made by the real converter and run by the real interpreter."""

import pytest

from tests import artifacts, tiny

pytestmark = pytest.mark.slow


def test_there_is_one_signature_for_each_length_with_the_names_a_runner_expects() -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(artifacts.float_tflite()))
    assert interpreter.get_signature_list() == {
        f"forward_length_{length}": {"inputs": ["ids"], "outputs": ["output"]} for length in artifacts.LENGTHS
    }
    for length in artifacts.LENGTHS:
        (given,) = interpreter.get_signature_runner(f"forward_length_{length}").get_input_details().values()
        assert list(given["shape"]) == [1, length]
        assert given["dtype"].__name__ == "int32"


def test_signatures_share_their_weights() -> None:
    encoder = tiny.encoder()
    for table in (encoder.tokens, encoder.positions):
        assert artifacts.float_tflite().read_bytes().count(table.weight.detach().numpy().tobytes()) == 1
