import os
from collections.abc import Iterator

import pytest

from edgewright.targets.device_store.parts import FilePart, Link, ahead, parts

TEXT = b"the same words again and again, " * 30_000


def test_parts_are_cut_alike_however_the_chunks_were_and_those_that_are_there_are_left_out() -> None:
    content = bytes(range(256)) * 10
    for sizes in (1, 7, 100, 256, 5000):
        chunks = (content[start : start + sizes] for start in range(0, len(content), sizes))
        made = list(parts("load", chunks, {"load-000001.part", "load-000002.part.gz"}, link=_link(), size=600))
        assert [part.name for part in made] == ["load-000000.part", "load-000003.part", "load-000004.part"]
        assert [part.content for part in made] == [content[:600], content[1800:2400], content[2400:]]


@pytest.mark.parametrize(
    ("rate", "opens_gzip", "pays"),
    [(1e6, True, True), (10e6, True, True), (1e9, True, False), (1e6, False, False), (None, True, False)],
)
def test_compressing_pays_on_a_slow_link_to_a_device_that_can_undo_it(
    rate: float | None, opens_gzip: bool, pays: bool
) -> None:
    link = Link(opens_gzip=opens_gzip)
    if rate is not None:
        link.sent(int(rate), 1.0)
    assert (link.compressed(TEXT) is not None) is pays


def test_what_did_not_compress_is_not_tried_again_until_other_content_comes() -> None:
    link = Link(opens_gzip=True)
    link.sent(1_000_000, 1.0)
    assert link.compressed(os.urandom(100_000)) is None
    assert link.compressed(TEXT) is None
    link.other_content()
    assert link.compressed(TEXT) is not None


def test_a_fault_in_making_a_part_comes_where_that_part_is_asked_for() -> None:
    def failing() -> Iterator[FilePart]:
        yield FilePart(name="first", content=b"1")
        raise OSError("the disk is gone")

    made = ahead(failing())
    assert next(made).name == "first"
    with pytest.raises(OSError, match="the disk is gone"):
        next(made)


def _link() -> Link:
    return Link(opens_gzip=False)
