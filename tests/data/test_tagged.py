"""Words with tags: what is read from each format, and how each fault is told."""

import json
from pathlib import Path

import pytest

from edgewright.data.tagged import Tagged, read_tagged
from edgewright.errors import BadDataError

ROWS = [Tagged(words=("Anna", "sleeps", "."), tags=("B-PER", "O", "O")), Tagged(words=("#",), tags=("O",))]


def read(path: Path, labels: tuple[str, ...] = ()) -> list[Tagged]:
    return read_tagged(path, words="words", tags="tags", labels=labels)


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_json_rows_of_two_lists_are_read(tmp_path: Path) -> None:
    rows = [{"words": row.words, "tags": row.tags} for row in ROWS]
    assert read(jsonl(tmp_path / "a.jsonl", *rows)) == ROWS


def test_parquet_rows_of_two_lists_are_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"words": list(row.words), "tags": list(row.tags)} for row in ROWS]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == ROWS


@pytest.mark.parametrize(
    "text",
    [
        "Anna B-PER\nsleeps O\n. O\n\n# O\n",
        "Anna NNP I-NP B-PER\nsleeps VBZ I-VP O\n. . O O\n\n\n# SYM O O",
        "-DOCSTART- -X- O O\n\nAnna NNP I-NP B-PER\r\nsleeps VBZ I-VP O\r\n. . O O\r\n\r\n# SYM O O\r\n",
        "# text = Anna sleeps.\n# id = 1\nAnna\tx\tB-PER\nsleeps\tx\tO\n.\tx\tO\n\n#\tx\tO\n",
    ],
)
@pytest.mark.parametrize("suffix", ["conll", "txt"])
def test_columns_are_read_as_the_shared_tasks_write_them(tmp_path: Path, text: str, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(text.encode())
    assert read(path) == ROWS


def test_every_faulty_row_is_reported_with_its_line(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "a.jsonl",
        {"words": ["a"], "tags": ["O"]},
        {"words": ["a", "b"], "tags": ["O"]},
        {"words": "a b", "tags": ["O", "O"]},
        {"words": ["a", "New York"], "tags": ["O", "O"]},
        {"words": [], "tags": []},
        {"words": ["a"]},
    )
    with pytest.raises(BadDataError) as caught:
        read(path)
    for said in (
        "line 2: 2 words, but 1 tags",
        "line 3: words is not a list of text",
        "line 4: words has 'New York', which is empty or has white space in it",
        "line 5: words is not a list of text",
        "line 6: tags is not a list of text",
    ):
        assert said in str(caught.value)


def test_faults_of_columns_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Anna x B-PER\nsleeps\n. O\nwell\t\tx\t\n")
    with pytest.raises(BadDataError) as caught:
        read(path)
    assert "line 2: 'sleeps' has no tag; line 3: 2 columns, but 3 before; line 4: 4 columns" in str(caught.value)


def test_a_missing_column_is_reported_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"no column 'words'; did you mean word\?"):
        read(jsonl(tmp_path / "a.jsonl", {"word": ["a"], "tags": ["O"]}))


def test_tags_outside_the_configured_range_are_reported_with_their_line_and_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("a O\n\nb O\nc B-LOC\n")
    with pytest.raises(BadDataError, match=r"line 3: the tag 'B-LOC'; the labels configured in task\.labels are O"):
        read(path, ("O", "B-PER"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", True], "words has true, neither text nor a number"),
        (["a", 1.5, None], "words is not a list of text: null is in it"),
        (["a", ["b"]], "words is not a list of text: a list is in it"),
        (["a", "b\ud800"], "half of a surrogate pair"),
        ("ab", "words is not a list of text"),
    ],
)
def test_words_that_are_no_text_are_reported(tmp_path: Path, words: object, said: str) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"words": ["a"], "tags": ["O"]}, {"words": words, "tags": ["O", "O"]})
    with pytest.raises(BadDataError, match=said):
        read(path)


def test_tags_and_words_that_are_whole_numbers_are_text_in_digits(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"words": ["room", 7], "tags": [0, 1]})
    assert read(path) == [Tagged(words=("room", "7"), tags=("0", "1"))]
