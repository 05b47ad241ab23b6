"""Documents in parts: what is held out is in no other part, nor is anything of its source."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.data import documents as reading
from edgewright.data.documents import Documents, TextDocument
from edgewright.data.splits import PARTS
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Columns, Data, Split
from edgewright.tasks.language_modelling import LANGUAGE_MODELLING
from edgewright.tasks.text_generation import TEXT_GENERATION

WRITES: Any = SimpleNamespace(kind="language-modelling", description=LANGUAGE_MODELLING)
ANSWERS: Any = SimpleNamespace(kind="text-generation", description=TEXT_GENERATION)
HALVES = Split(test=0.3, validation=0.2)


def table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def pairs(path: Path, count: int = 40) -> Path:
    return table(path, [("prompt", "completion"), *((f"question {n}", f"answer {n} 🙂") for n in range(count))])


def folder_of(path: Path, count: int = 40) -> Path:
    path.mkdir()
    for number in range(count):
        (path / f"{number}.txt").write_text(f"text {number}\n\nits end {number}")
    return path


def all_of(documents: Documents) -> list[TextDocument]:
    return [each for part in PARTS for each in getattr(documents, part)]


@pytest.fixture(scope="module")
def docstrings() -> Documents:
    return reading.load_documents(Data(builtin="docstrings", extra_text_packages=("rich", "click")), WRITES)


@pytest.fixture(scope="module")
def summaries() -> Documents:
    return reading.load_documents(Data(builtin="docstring-summaries", extra_text_packages=("rich",)), ANSWERS)


def test_the_built_in_docstrings_are_whole_and_held_out_by_module(docstrings: Documents) -> None:
    assert len(docstrings.train) > 5000
    assert 250 <= len(docstrings.test) <= 350
    assert 120 <= len(docstrings.validation) <= 200
    modules = [{each.source for each in getattr(docstrings, part)} for part in PARTS]
    assert sum(map(len, modules)) == len(set.union(*modules))
    assert all(not each.prompt for each in all_of(docstrings))
    assert any("\n    " in each.completion for each in docstrings.train)  # lines stay as they are
    assert {"rich.console", "click.core"} <= set.union(*modules)


def test_no_docstring_stands_there_twice(docstrings: Documents) -> None:
    texts = [each.completion for each in all_of(docstrings)]
    assert len(set(texts)) == len(texts)


def test_the_built_in_summaries_are_of_their_bodies(summaries: Documents) -> None:
    assert len(summaries.train) > 2000
    assert 300 <= len(summaries.test) <= 600  # a tenth of them, where they are few
    assert all(len(each.prompt.split()) >= 3 and len(each.completion.split()) >= 3 for each in all_of(summaries))
    prompts = [each.prompt for each in all_of(summaries)]
    assert len(set(prompts)) == len(prompts)
    sources = {each.source for each in summaries.test}
    assert sources.isdisjoint(each.source for each in summaries.train)


def test_packages_that_are_not_installed_add_nothing(docstrings: Documents) -> None:
    absent = reading.load_documents(Data(builtin="docstrings", extra_text_packages=("no-such-package",)), WRITES)
    assert 5000 < len(all_of(absent)) < len(all_of(docstrings))


def test_a_folder_of_texts_is_split_by_file(tmp_path: Path) -> None:
    data = Data(folder=folder_of(tmp_path / "texts"), split=HALVES, document="paragraph")
    documents = reading.load_documents(data, WRITES)
    assert len(all_of(documents)) == 80
    files = [{each.source for each in getattr(documents, part)} for part in PARTS]
    assert sum(map(len, files)) == len(set.union(*files)) == 40
    assert documents.train


def test_a_text_file_is_split_by_its_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "tale.txt").write_text("\n\n".join(f"paragraph {number}" for number in range(50)))
    documents = reading.load_documents(Data(file=tmp_path / "tale.txt", split=HALVES), WRITES)
    assert len(all_of(documents)) == 50
    assert all(getattr(documents, part) for part in PARTS)


def test_one_document_cannot_be_split(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("one text alone")
    with pytest.raises(BadDataError, match=r"the (train|test) split is empty"):
        reading.load_documents(Data(file=tmp_path / "one.txt"), WRITES)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_tables_of_prompts_and_completions_are_read(tmp_path: Path, suffix: str) -> None:
    rows = [{"prompt": f"question {n}", "completion": f"antwort {n} ü"} for n in range(40)]
    path = tmp_path / f"pairs{suffix}"
    if suffix == ".csv":
        table(path, [("prompt", "completion"), *((row["prompt"], row["completion"]) for row in rows)])
    elif suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    documents = reading.load_documents(Data(file=path, split=HALVES), ANSWERS)
    assert {(each.prompt, each.completion) for each in all_of(documents)} == {
        (row["prompt"], row["completion"]) for row in rows
    }


def test_a_table_with_a_column_of_texts_is_read_for_language_modelling(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [("body", "book"), *((f"text {n}", f"book {n % 7}") for n in range(60))])
    data = Data(file=path, columns=Columns(text="body", source="book"), split=HALVES)
    documents = reading.load_documents(data, WRITES)
    sources = [{each.source for each in getattr(documents, part)} for part in PARTS]
    assert len(all_of(documents)) == 60
    assert sum(map(len, sources)) == len(set.union(*sources)) == 7


def test_columns_of_other_names_are_renamed_by_the_recipe(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [("body", "title"), *((f"text {n}", f"title {n}") for n in range(40))])
    data = Data(file=path, columns=Columns(prompt="body", completion="title"))
    assert all(each.completion.startswith("title") for each in all_of(reading.load_documents(data, ANSWERS)))


def test_an_empty_completion_is_refused_with_its_line(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [("prompt", "completion"), ("one", "1"), ("two", "")])
    with pytest.raises(BadDataError, match="line 3: completion is empty; fill these cells or remove the rows"):
        reading.load_documents(Data(file=path), ANSWERS)


def test_a_prompt_with_two_completions_stays_in_one_part(tmp_path: Path) -> None:
    rows = [(f"question {n % 20}", f"answer {n}") for n in range(60)]
    path = table(tmp_path / "a.csv", [("prompt", "completion"), *rows])
    documents = reading.load_documents(Data(file=path, split=HALVES), ANSWERS)
    assert len(all_of(documents)) == 60
    prompts = [{each.prompt for each in getattr(documents, part)} for part in PARTS]
    assert sum(map(len, prompts)) == len(set.union(*prompts)) == 20


def test_what_is_held_out_is_taken_out_of_what_is_trained_on(tmp_path: Path) -> None:
    train = pairs(tmp_path / "train.csv", 20)
    test = table(tmp_path / "test.csv", [("prompt", "completion"), ("question 3", "another answer"), ("new", "answer")])
    documents = reading.load_documents(Data(train=train, test=test), ANSWERS)
    assert "question 3" not in {each.prompt for each in documents.train}
    assert (len(documents.train), len(documents.test), documents.removed) == (19, 2, 1)
    assert not documents.agreement.shared
    assert documents.notes[0].startswith("1 documents are left out: they stand in the data twice, or")
    assert replace(documents, removed=0).notes == ()


def test_the_same_document_twice_counts_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "texts")
    (folder / "copy.txt").write_text((folder / "7.txt").read_text())
    documents = reading.load_documents(Data(folder=folder), WRITES)
    assert len(all_of(documents)) == 40
    assert documents.removed == 1


def test_further_texts_are_trained_on_but_for_those_that_are_held_out(tmp_path: Path) -> None:
    folder, extra = folder_of(tmp_path / "texts"), tmp_path / "extra.txt"
    documents = reading.load_documents(Data(folder=folder, document="line"), WRITES)
    extra.write_text(f"something else\n{documents.test[0].completion}\n")
    more = reading.load_documents(Data(folder=folder, document="line", extra_text=extra), WRITES)
    assert [each.completion for each in more.extra] == ["something else"]
    assert more.training == (*more.train, *more.extra)
    assert more.labelled_digest == documents.labelled_digest


def test_documents_come_back_as_they_were_saved(tmp_path: Path) -> None:
    documents = reading.load_documents(Data(file=pairs(tmp_path / "a.csv")), ANSWERS)
    documents.save(tmp_path / "documents.json")
    assert Documents.load(tmp_path / "documents.json") == documents


@pytest.mark.parametrize(
    "change",
    [
        {"document": "line"},
        {"split": Split(test=0.4)},
        {"folder": "other"},
    ],
)
def test_the_fingerprint_changes_with_all_that_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = folder_of(tmp_path / "texts")
    other = folder_of(tmp_path / "other", 41)
    data = Data(folder=folder)
    changed = data.model_copy(update=change | ({"folder": other} if "folder" in change else {}))
    prints = [reading.fingerprint(each, WRITES) for each in (data, data, changed)]
    assert prints[0] == prints[1] != prints[2]


def test_the_fingerprint_does_not_depend_on_where_a_folder_lies(tmp_path: Path) -> None:
    places = [folder_of(tmp_path / name) for name in ("here", "there")]
    assert len({reading.fingerprint(Data(folder=place), WRITES) for place in places}) == 1
