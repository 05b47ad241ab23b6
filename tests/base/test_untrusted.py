"""JSON and TOML from outside: every fault has its place; only finite, plain values come through."""

import json

import pytest

from edgewright.base.untrusted import ReadLimits, parse_json, parse_toml
from edgewright.errors import InvalidFileError, RunnerError


def test_a_sound_document_is_read_as_json_reads_it() -> None:
    text = '{"a": [1, 2.5, -3e2, null, true, "ü\\ud83d\\ude00"], "b": {"c": {}}}'
    assert parse_json(text, name="x.json") == json.loads(text)
    assert parse_json(b"\xef\xbb\xbf" + text.encode(), name="x.json") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7", "is not JSON: expecting value"),
        ('{"a": 1,\n "a": 2}', "the whole file", "has the key 'a' twice in one place; keep one of them"),
        ('{"a":\n NaN}', "line 2", "has NaN, which is no number"),
        ('{"a":\n\n -Infinity}', "line 3", "has -Infinity, which is no number"),
        ('{"a": 1e999}', "line 1", "larger than any that can be used"),
        ('{"a": ' + "7" * 5000 + "}", "line 1", "an integer of 5,000 digits; at most 40 are read"),
        ("[" * 70 + "]" * 70, "[0][0][0]", "nests more than 64 levels deep"),
        ("[" * 200_000, "the whole file", "nests more than 64 levels deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "the whole file", "nests more than 64 levels deep"),
        ('{"a": ["ok", "\\ud800"]}', "a[1]", "has half of a surrogate pair"),
        ('{"\\udc00": 1}', "the whole file", "has a key with half of a surrogate pair"),
        ('\n"\udc9f"', "line 2", "is not UTF-8 text: it has half of a surrogate pair"),
        (b'{\n"a": "\xff"}', "line 2", "is not UTF-8 text"),
        ("", "line 1, column 1", "is not JSON: expecting value"),
    ],
)  # fmt: skip
def test_a_fault_of_json_is_reported_with_its_place(text: str | bytes, place: str, what: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        parse_json(text, name="x.json")
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("x.json has 1 fault: ")
    [(told, sentence)] = caught.value.faults
    assert told == place
    assert what in sentence
    assert len(str(caught.value)) < 300


def test_what_a_device_says_is_a_fault_of_the_device() -> None:
    with pytest.raises(RunnerError, match="the whole file: nests more than") as caught:
        parse_json("[" * 100_000, name="", error=lambda place, what: RunnerError(f"{place}: {what}"))
    assert caught.value.exit_code == 3


def test_limits_of_size_and_of_keys_hold() -> None:
    with pytest.raises(InvalidFileError, match=r"has 0.0 MB, more than"):
        parse_json("[1,    2]", name="x", limits=ReadLimits(bytes=8))
    with pytest.raises(InvalidFileError, match="more than 3 keys"):
        parse_json('[{"a": 1, "b": 2}, {"a": 1, "b": 2}]', name="x", limits=ReadLimits(keys=3))


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a = 1\nb =", "line 2", "is not TOML: Invalid value at the end"),
        ("a = 1\nb", "line 2", "is not TOML:"),
        ("a = nan", "a", "must be a finite number, not nan"),
        ("[b]\na = inf", "b.a", "must be a finite number, not inf"),
        ("a = 1e999", "a", "must be a finite number, not inf"),
        (f"a = {'7' * 5000}", "line 1", "is not TOML: exceeds the limit"),
        (f"[b]\na = [1, {'7' * 400}]", "b.a[1]", "a larger number than 64 bits hold"),
        ("a = " + "[" * 5000 + "]" * 5000, "the whole file", "nests more than 64 levels deep"),
        ("a = " + "[" * 80 + "]" * 80, "a[0][0]", "nests more than 64 levels deep"),
        (".".join(["a"] * 80) + " = 1", "a.a.a", "nests more than 64 levels deep"),
        ("a = 2024-02-31", "line 1", "is not TOML:"),
        ("\n".join(f"a{i} = 1" for i in range(20_001)), "the whole file", "more than 20,000 keys"),
    ],
)  # fmt: skip
def test_a_fault_of_toml_is_reported_with_its_place(text: str, place: str, what: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        parse_toml(text, name="x.toml")
    [(told, sentence)] = caught.value.faults
    assert told.startswith(place)
    assert what in sentence
    assert len(str(caught.value)) < 300
