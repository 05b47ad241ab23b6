"""The lengths that are exported."""

from edgewright.specs.recipe import Recipe


def test_the_lengths_end_with_the_tasks_own() -> None:
    values = {"recipe": {"name": "x"}, "model": {"hub": "a/b"}, "data": {"builtin": "stdlib-search"}}
    for longest, lengths in ((64, (8, 16, 24, 32, 48, 64)), (40, (8, 16, 24, 32, 40)), (8, (8,))):
        recipe = Recipe.model_validate(values | {"task": {"kind": "embedding", "max_length": longest}})
        assert recipe.lengths == lengths
    recipe = Recipe.model_validate(values | {"task": {"kind": "embedding", "max_length": 256}})
    assert recipe.lengths[-2:] == (128, 256)
