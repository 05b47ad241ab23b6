"""Docstrings as text: how one is cut, and what is read from where."""

from pathlib import Path

import pytest

from edgewright.data import docstrings
from edgewright.data.docstrings import Passage, installed_packages, split_docstring, standard_library


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Open a file.", ("Open a file.", "")),
        ("Open a file. Close it later.", ("Open a file.", "Close it later.")),
        ("Open a file\n\n    Close it\n    later.\n", ("Open a file", "Close it later.")),
        ("Is it open? Then close it!", ("Is it open?", "Then close it!")),
        ("Version 3.11 is read. No other is.", ("Version 3.11 is read.", "No other is.")),
        ("", ("", "")),
        ("   \n  ", ("", "")),
    ],
)
def test_a_docstring_is_cut_behind_its_first_sentence(text: str, expected: tuple[str, str]) -> None:
    assert split_docstring(text) == expected


def test_code_and_directives_are_no_part_of_the_body() -> None:
    text = """Add two numbers.

    The order does not matter.
    >>> add(1, 2)
    ... # or so
    :param a: the first
    .. versionadded:: 3.1
    Both must be finite.
    """
    assert split_docstring(text) == ("Add two numbers.", "The order does not matter. Both must be finite.")


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    return standard_library()


def test_the_standard_library_gives_thousands_of_passages_each_text_once(passages: list[Passage]) -> None:
    assert len(passages) > 2000
    texts = [text for passage in passages for text in (passage.summary, passage.body)]
    assert len(set(texts)) == len(texts)
    assert {"zipfile", "argparse", "json.decoder"} <= {passage.module for passage in passages}


def test_neither_tests_nor_installed_packages_are_part_of_the_standard_library(
    passages: list[Passage],
) -> None:
    modules = [passage.module.split(".") for passage in passages]
    assert not [parts for parts in modules if {"test", "tests", "site-packages", "torch"} & set(parts)]


def test_passages_with_fewer_words_than_wanted_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('"""Two words. And a body of six words."""')
    (tmp_path / "b.py").write_text('"""A summary of five words. Two words."""')
    assert [passage.module for passage in docstrings._passages(tmp_path, 2)] == ["a", "b"]
    assert not list(docstrings._passages(tmp_path, 3))


def test_a_package_gives_its_own_docstrings_and_an_absent_one_gives_none() -> None:
    passages = installed_packages(["pydantic", "no-such-package-anywhere"])
    assert passages
    assert installed_packages(["no-such-package-anywhere"]) == []


def test_every_definition_is_read_in_the_order_it_stands_and_broken_files_are_passed_over(tmp_path: Path) -> None:
    body = "It has a body of words."
    (tmp_path / "a.py").write_text(
        f'"""The first of all. {body} One."""\n'
        f'class A:\n    """The second of all. {body} Two."""\n'
        f'    def b(self):\n        """The third of all. {body} Three."""\n'
        "if True:\n    try:\n        pass\n    except ValueError:\n"
        f'        async def c():\n            """The fourth of all. {body} Four."""\n'
    )
    (tmp_path / "b.py").write_text("def broken(:\n")
    (tmp_path / "c.py").write_bytes(b"x = '\xff\xfe'\n")
    found = list(docstrings._passages(tmp_path, 3))
    assert [passage.body.split()[-1] for passage in found] == ["One.", "Two.", "Three.", "Four."]
    assert {passage.module for passage in found} == {"a"}


def test_a_summary_alone_is_enough_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        '"""A summary of five words."""\ndef b():\n    """Another summary of six words."""\n'
    )
    assert not list(docstrings._passages(tmp_path, 3))
    alone = docstrings._distinct(docstrings._passages(tmp_path, 3, 0))
    assert [(passage.summary, passage.body, passage.package) for passage in alone] == [
        ("A summary of five words.", "", "a"),
        ("Another summary of six words.", "", "a"),
    ]
