"""Predictions on a terminal."""

from edgewright.report.prediction_terminal import prediction_report
from tests.report.test_terminal import HOSTILE, PREDICTED, shown


def test_a_prediction_says_what_limits_it_with_shares() -> None:
    text = shown(prediction_report([PREDICTED, PREDICTED | {"threads": 2, "length": 0, "clock": "instructions"}]))
    assert "executorch int8 on raspberry-pi-4, 16 tokens, 1 thread\n" in text.replace(" \n", "\n")
    assert "raspberry-pi-4, 2 threads" in text
    assert "arithmetic 75 %, memory 25 %" in text
    assert "linear 80 %, softmax 20 %" in text
    assert f"beware of {HOSTILE}" in text
    assert text.count("Emulated") == 1
