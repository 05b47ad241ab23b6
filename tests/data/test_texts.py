"""Examples in parts: nothing held out is ever seen in training, and every fault of the data is told."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewright.data import texts as reading
from edgewright.data.texts import Example, Texts
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Columns, Data, Split, TaskKind, TaskSettings

BUILTIN = Data(builtin="stdlib-search", extra_text_packages=("pydantic", "pygments"))
LABELLED = Columns(label="label")
PAIRED = Columns(pair="pair")


def task_of(data: Data, **settings: Any) -> TaskSettings:
    """The kind of task that the data's columns are for."""
    columns = data.columns
    kind: TaskKind = "classification" if columns.label or data.builtin == "stdlib-packages" else "embedding"
    return TaskSettings(kind="regression" if columns.value else kind, **settings)


def load_texts(data: Data, **settings: Any) -> Texts:
    return reading.load_texts(data, task_of(data, **settings))


def fingerprint(data: Data, **settings: Any) -> str:
    return reading.fingerprint(data, task_of(data, **settings))


@pytest.fixture(scope="module")
def builtin() -> Texts:
    return load_texts(BUILTIN)


def write(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def labelled(path: Path, count: int = 60) -> Path:
    return write(path, [("text", "label"), *((f"text {n}", "even" if n % 2 == 0 else "odd") for n in range(count))])


def texts_in(part: Sequence[Example]) -> set[str]:
    return {text for row in part for text in (row.text, row.pair) if text is not None}


def test_the_built_in_parts_share_no_text(builtin: Texts) -> None:
    parts = [texts_in(builtin.train), texts_in(builtin.validation), texts_in(builtin.test), texts_in(builtin.extra)]
    assert min(map(len, parts)) > 100
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_the_built_in_parts_share_no_module(builtin: Texts) -> None:
    modules = [{row.title for row in part} for part in (builtin.train, builtin.validation, builtin.test)]
    assert len(set.union(*modules)) == sum(map(len, modules))


def test_the_built_in_split_is_the_same_at_every_reading(builtin: Texts) -> None:
    assert load_texts(BUILTIN) == builtin


def test_the_built_in_search_holds_out_more_than_a_thousand_questions_with_answers(builtin: Texts) -> None:
    assert len(builtin.test) > 1000
    assert all(row.pair and row.title and row.label is None for row in builtin.test)


def test_what_a_student_is_trained_on_holds_nothing_that_is_held_out(builtin: Texts) -> None:
    taught = set(builtin.training_texts)
    assert not taught & (texts_in(builtin.test) | texts_in(builtin.validation))
    assert len(taught) == len(builtin.training_texts) == len(texts_in(builtin.train)) + len(texts_in(builtin.extra))


def test_texts_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    row = Example(text="çava „?“", pair="oui", title="a.b")
    tagged = Example(text="x y", tags=("O", "B"))
    texts = Texts(
        train=(row, Example(text="v", value=-1.5)),
        validation=(tagged,),
        test=(Example(text="x", label="y"),),
        extra=(Example(text="more"),),
        configured=("b", "a"),
    )
    texts.save(tmp_path / "texts.json")
    assert Texts.load(tmp_path / "texts.json") == texts


def test_one_file_is_split_by_its_texts_and_not_by_their_order(tmp_path: Path) -> None:
    rows = [(f"text {n}", "even" if n % 2 == 0 else "odd") for n in range(200)]
    forth = load_texts(Data(file=write(tmp_path / "a.csv", [("text", "label"), *rows]), columns=LABELLED))
    back = load_texts(Data(file=write(tmp_path / "b.csv", [("text", "label"), *rows[::-1]]), columns=LABELLED))
    for part in ("train", "validation", "test"):
        assert texts_in(getattr(forth, part)) == texts_in(getattr(back, part))
    assert 40 <= len(forth.test) <= 80
    assert 8 <= len(forth.validation) <= 40


def test_the_shares_of_a_split_are_those_the_recipe_asks_for(tmp_path: Path) -> None:
    path = labelled(tmp_path / "rows.csv", 400)
    texts = load_texts(Data(file=path, columns=LABELLED, split=Split(test=0.5, validation=0.0)))
    assert not texts.validation
    assert 160 <= len(texts.test) <= 240


def test_files_for_each_part_are_taken_as_they_are(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", [("text", "label"), ("a b", "x"), ("c d", "y")])
    test = write(tmp_path / "test.csv", [("text", "label"), ("e f", "y")])
    texts = load_texts(Data(train=train, test=test, columns=LABELLED))
    assert [row.text for row in texts.train] == ["a b", "c d"]
    assert [(row.text, row.label) for row in texts.test] == [("e f", "y")]
    assert texts.labels == ("x", "y")


def test_further_text_is_taken_without_what_is_held_out(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", [("text", "pair"), ("a", "b")])
    test = write(tmp_path / "test.csv", [("text", "pair"), ("held out question", "held out answer")])
    more = tmp_path / "more.txt"
    more.write_text("new text\nheld out answer\nheld out question\nnew text\n")
    texts = load_texts(Data(train=train, test=test, columns=PAIRED, extra_text=more))
    assert texts.extra == (Example(text="new text"),)


def test_a_digest_of_what_is_labelled_changes_with_every_part_but_the_extra_text() -> None:
    texts = Texts(
        train=(Example(text="a", label="x"),),
        validation=(Example(text="b", label="y"),),
        test=(Example(text="c", label="x"),),
    )
    assert replace(texts, extra=(Example(text="more"),)).labelled_digest == texts.labelled_digest
    changed = [
        replace(texts, **{part: (Example(text="a", label="z"),)})  # type: ignore[arg-type]
        for part in ("train", "validation", "test")
    ]
    changed.append(replace(texts, configured=("y", "x")))
    assert len({each.labelled_digest for each in (texts, *changed)}) == 5


def test_altered_copies_come_after_the_tasks_own_texts_and_none_is_held_out() -> None:
    texts = Texts(
        train=tuple(Example(text=f"one two three number {n}") for n in range(4)),
        validation=(Example(text="two three"),),
        test=(Example(text="three number"), Example(text="one two")),
        extra=(Example(text="more"), Example(text="one two three number 0")),
    )
    own = [row.text for row in texts.train]
    assert texts.augmented_texts(copies=0, max_words=8) == texts.training_texts == [*own, "more"]
    taught = texts.augmented_texts(copies=100, max_words=8)
    assert taught[:4] == own
    assert taught[-1] == "more"
    assert len(taught) > 50
    assert set(taught).isdisjoint({"two three", "three number", "one two"})


@pytest.mark.parametrize("missing", ["train", "test"])
def test_an_empty_part_is_reported_by_its_name(tmp_path: Path, missing: str) -> None:
    files = {name: write(tmp_path / f"{name}.csv", [("text", "label"), (name, "x")]) for name in ("train", "test")}
    write(files[missing], [("text", "label")])
    with pytest.raises(BadDataError, match=f"the {missing} split is empty; add rows"):
        load_texts(Data(**files, columns=LABELLED))


def test_labels_that_only_held_out_rows_have_are_named(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", [("text", "label"), ("a b", "x"), ("c d", "y")])
    test = write(tmp_path / "test.csv", [("text", "label"), ("e f", "z")])
    with pytest.raises(BadDataError, match="labels z stand in held-out rows but not in the train split"):
        load_texts(Data(train=train, test=test, columns=LABELLED))


def test_one_label_is_too_few(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", [("text", "label"), ("a b", "x")])
    test = write(tmp_path / "test.csv", [("text", "label"), ("e f", "x")])
    with pytest.raises(BadDataError, match="only the label x; two or more are needed"):
        load_texts(Data(train=train, test=test, columns=LABELLED))


def test_a_text_in_both_train_and_test_is_reported(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", [("text", "pair"), ("a b", "c d")])
    test = write(tmp_path / "test.csv", [("text", "pair"), ("a b", "new")])
    with pytest.raises(BadDataError, match="1 texts stand in both train and test, such as 'a b'"):
        load_texts(Data(train=train, test=test, columns=PAIRED))


def test_a_fingerprint_changes_with_the_files_content_and_not_with_its_place(tmp_path: Path) -> None:
    first = Data(file=labelled(tmp_path / "a.csv"), columns=LABELLED)
    same = Data(file=labelled(tmp_path / "b.csv"), columns=LABELLED)
    assert fingerprint(first) == fingerprint(same)
    labelled(tmp_path / "b.csv", 61)
    assert fingerprint(first) != fingerprint(same)


def test_a_fingerprint_changes_with_the_settings_and_with_a_files_role(tmp_path: Path) -> None:
    a, b = labelled(tmp_path / "a.csv", 40), labelled(tmp_path / "b.csv", 60)
    prints = {
        fingerprint(Data(file=a, columns=LABELLED)),
        fingerprint(Data(file=a, columns=LABELLED, split=Split(test=0.2))),
        fingerprint(Data(train=a, test=b, columns=LABELLED)),
        fingerprint(Data(train=b, test=a, columns=LABELLED)),
        fingerprint(Data(train=b, validation=a, test=a, columns=LABELLED)),
        fingerprint(Data(builtin="stdlib-search")),
        fingerprint(BUILTIN),
    }
    assert len(prints) == 7


def test_the_built_in_packages_are_sixteen_and_no_text_of_theirs_leaks() -> None:
    texts = load_texts(Data(builtin="stdlib-packages"))
    parts = [texts.train, texts.validation, texts.test]
    assert 2500 < sum(map(len, parts)) < 5000
    assert len(texts.labels) == 16
    assert {"tkinter", "asyncio", "email"} <= set(texts.labels)
    held = [texts_in(part) for part in parts]
    assert len(set.union(*held)) == sum(map(len, held))
    assert all(row.title.partition(".")[0] == row.label for row in texts.test)
    assert {row.label for row in texts.test} == set(texts.labels)


def test_the_built_in_parameters_are_words_of_docstrings_that_their_context_alone_gives_away() -> None:
    given = Data(builtin="stdlib-parameters", extra_text_packages=("pydantic",))
    texts = reading.load_texts(given, TaskSettings(kind="token-classification"))
    parts = (*texts.train, *texts.validation, *texts.test)
    assert 2000 < len(parts) < 5000
    assert texts.labels == ("O", "PARAMETER")
    assert all(row.tags is not None and len(row.tags) == len(row.text.split()) for row in parts)
    assert all("PARAMETER" in (row.tags or ()) for row in parts)
    tags: dict[str, set[str]] = {}
    for row in parts:
        for word, tag in zip(row.text.split(), row.tags or (), strict=True):
            tags.setdefault(word, set()).add(tag)
    both = sum(len(found) == 2 for found in tags.values())
    assert both > 0.4 * sum("PARAMETER" in found for found in tags.values())
    assert len(texts.extra) > 50
    assert all(row.pair is None and row.tags is None for row in texts.extra)
    assert any(" ." in row.text for row in texts.extra)


def test_further_packages_give_text_without_labels_to_distil_from() -> None:
    texts = load_texts(Data(builtin="stdlib-packages", extra_text_packages=("pydantic",)))
    assert len(texts.extra) > 50
    assert all(row.label is None and row.pair is None for row in texts.extra)


def test_configured_labels_stand_in_their_order_whatever_the_rows_hold(tmp_path: Path) -> None:
    path = labelled(tmp_path / "rows.csv")
    texts = load_texts(Data(file=path, columns=LABELLED), labels=("odd", "unheard", "even"))
    assert texts.labels == ("odd", "unheard", "even")


def test_labels_outside_the_configured_range_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [("text", "label"), ("a", "x"), ("b", "z"), ("c", "y"), ("d", "w")])
    with pytest.raises(BadDataError) as caught:
        load_texts(Data(file=path, columns=LABELLED), labels=("x", "y"))
    said = "line 3: label is 'z'; line 5: label is 'w'; the labels configured in task.labels are x, y"
    assert said in str(caught.value)


def test_values_are_read_as_numbers_and_every_other_cell_is_reported(tmp_path: Path) -> None:
    columns = Columns(value="stars")
    good = write(tmp_path / "good.csv", [("text", "stars"), *((f"text {n}", str(n / 4)) for n in range(40))])
    texts = load_texts(Data(file=good, columns=columns))
    rows = (*texts.train, *texts.validation, *texts.test)
    assert sorted(row.value or 0.0 for row in rows) == [n / 4 for n in range(40)]
    assert texts.labels == ()
    cells = ["4.5", "nan", "-inf", "many", "1_000", "", "1e3"]
    bad = write(tmp_path / "bad.csv", [("text", "stars"), *((f"text {n}", cell) for n, cell in enumerate(cells))])
    with pytest.raises(BadDataError) as caught:
        load_texts(Data(file=bad, columns=columns))
    for said in ("line 3: stars is 'nan', not a finite number", "line 4", "line 5: stars is 'many'", "line 6"):
        assert said in str(caught.value)
    assert "line 7: stars is empty" in str(caught.value)
    assert "line 8" not in str(caught.value)


def test_values_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [("text", "value"), *((f"text {n}", "3") for n in range(40))])
    with pytest.raises(BadDataError, match="every value of the train split is 3"):
        load_texts(Data(file=path, columns=Columns(value="value")))


def test_tagged_words_are_a_text_whose_labels_are_the_tags(tmp_path: Path) -> None:
    path = tmp_path / "rows.conll"
    path.write_text("\n".join(f"Anna{n} B-PER\nsleeps O\n" for n in range(40)), encoding="utf-8")
    texts = reading.load_texts(Data(file=path), TaskSettings(kind="token-classification"))
    assert texts.labels == ("B-PER", "O")
    assert all(len(row.text.split()) == len(row.tags or ()) == 2 for row in texts.train)
    with pytest.raises(BadDataError, match="line 1: the tag 'B-PER'"):
        reading.load_texts(Data(file=path), TaskSettings(kind="token-classification", labels=("O", "B-LOC")))


def test_a_fingerprint_changes_with_the_configured_labels(tmp_path: Path) -> None:
    data = Data(file=labelled(tmp_path / "a.csv"), columns=LABELLED)
    assert fingerprint(data) != fingerprint(data, labels=("even", "odd"))


def test_the_separator_of_a_recipe_is_the_one_its_files_are_read_with(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["text;label", *(f"a, b and {n};{'xy'[n % 2]}" for n in range(40))]))
    texts = load_texts(Data(file=path, columns=LABELLED, separator=";"))
    assert len((*texts.train, *texts.validation, *texts.test)) == 40
    assert all(row.text.startswith("a, b and") for row in texts.train)
    with pytest.raises(BadDataError, match=r'set data\.separator = ";"'):
        load_texts(Data(file=path, columns=LABELLED))


def test_a_whole_number_is_a_label_and_a_missing_one_is_no_class_of_its_own(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "rows.parquet"
    frame = pandas.DataFrame({"text": [f"text {n}" for n in range(40)], "label": [float(n % 2) for n in range(40)]})
    frame.to_parquet(path)
    assert load_texts(Data(file=path, columns=LABELLED)).labels == ("0", "1")
    frame.loc[3, "label"] = None
    frame.to_parquet(path)
    with pytest.raises(BadDataError, match=r"row 4: label is (empty|NaN)"):
        load_texts(Data(file=path, columns=LABELLED))
