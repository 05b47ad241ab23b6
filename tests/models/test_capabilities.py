"""What an implementation lacks of its protocol is told member by member."""

from types import SimpleNamespace

import pytest

from edgewright.models.capabilities import (
    CAPABILITIES,
    FACTORISABLE,
    HIDDEN_STATES,
    PREPARES,
    SLICEABLE,
    STORES,
    Capability,
    Stores,
)

WHOLE = {
    "stores": ["save", "load"],
    "prepares to run": ["to_run"],
    "rebuildable": ["fresh"],
    "sliceable": ["units", "cut"],
    "factorisable": ["parts", "root", "matrices", "tokens_each", "counted", "factorised"],
    "hidden states": [
        "width", "tokens_each", "states", "outputs", "units", "output_each_unit", "embeds", "relations_width",
        "relations",
    ],
    "token table": ["table", "projection", "pieces", "with_vocabulary"],
    "smoothable": ["pairs_of"],
    "generates": ["context", "state", "cached"],
    "predicts tokens": ["width", "pieces", "packed_states", "token_logits"],
    "sequence to sequence": ["positions", "state", "encode", "cross_kv", "cached"],
}  # fmt: skip


@pytest.mark.parametrize("name", CAPABILITIES)
def test_what_gives_nothing_lacks_every_member(name: str) -> None:
    assert CAPABILITIES[name].missing(object()) == WHOLE[name]
    assert CAPABILITIES[name].missing(SimpleNamespace(**dict.fromkeys(WHOLE[name]))) == []


def test_the_table_has_each_by_its_own_name() -> None:
    assert {name: each.name for name, each in CAPABILITIES.items()} == {name: name for name in WHOLE}
    lacking = [each.lacking for each in CAPABILITIES.values()]
    assert len(set(lacking)) == len(lacking)


def test_only_what_is_missing_is_told_whether_it_is_a_method_or_a_property() -> None:
    assert STORES.missing(SimpleNamespace(load=1)) == ["save"]
    assert SLICEABLE.missing(SimpleNamespace(cut=1)) == ["units"]
    assert HIDDEN_STATES.missing(SimpleNamespace(**dict.fromkeys(WHOLE["hidden states"][1:]))) == ["width"]


def test_an_implementation_may_be_a_module_and_know_more_than_is_asked() -> None:
    from edgewright.models import transformer_capabilities

    for capability in (PREPARES, FACTORISABLE, HIDDEN_STATES):
        assert capability.missing(transformer_capabilities) == []


def test_a_protocol_that_is_checked_at_run_time_agrees() -> None:
    class Files:
        def save(self, model: object, folder: object) -> None: ...

        def load(self, folder: object, *, factory: str = "") -> object: ...

    assert isinstance(Files(), Stores)
    own: Capability[Stores] = STORES
    assert own.missing(Files()) == []
    assert not isinstance(object(), Stores)
