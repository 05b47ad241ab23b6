"""Where the keys of a TOML text stand."""

from edgewright.base.toml_lines import key_lines, place_of


def test_key_lines_see_through_strings_arrays_and_tables() -> None:
    text = '''a = 1
b.c = """
d = 2
"""
["x y".z]
e = [
  1,
]
[[f]]
g = 1
[[f]]
g = 2
'''
    assert key_lines(text) == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 2,
        ("x y",): 5,
        ("x y", "z"): 5,
        ("x y", "z", "e"): 6,
        ("f",): 9,
        ("f", 0): 9,
        ("f", 0, "g"): 10,
        ("f", 1): 11,
        ("f", 1, "g"): 12,
    }


def test_a_place_is_reported_by_the_nearest_section_that_stands_in_the_file() -> None:
    lines = key_lines("[a]\nb = 1\n")
    assert place_of(("a", "b"), lines) == "line 2, a.b"
    assert place_of(("a", "c"), lines) == "line 1, a.c"
    assert place_of(("d", 0), {}) == "d[0]"
    assert place_of((), {}) == "the whole file"
