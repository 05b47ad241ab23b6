"""A configuration's settings are read as the types that are expected of them, or the fault names the setting."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from edgewright.errors import BadModelError
from edgewright.models.transformers_types import TransformersConfig, config_of
from tests import tiny


def config(**settings: object) -> TransformersConfig:
    return TransformersConfig(SimpleNamespace(**settings))  # type: ignore[arg-type]


def test_the_settings_of_a_real_configuration_are_read_by_their_types() -> None:
    bert = config_of(tiny.bert())
    assert (bert.model_type, bert.integer("hidden_size"), bert.text("hidden_act")) == ("bert", 32, "gelu")
    assert bert.number("layer_norm_eps") == 1e-12
    assert not bert.flag("is_decoder")
    assert bert.labels == {0: "LABEL_0", 1: "LABEL_1"}
    assert bert.described()["hidden_size"] == 32


def test_a_setting_that_is_not_there_has_the_readers_default() -> None:
    empty = config()
    assert (empty.integer("groups", 1), empty.number("eps", 0.5), empty.text("norm", "none")) == (1, 0.5, "none")
    assert (empty.value("size"), empty.flag("shared", False), empty.sequence("kinds", ())) == (None, False, ())
    assert (empty.architectures, empty.labels) == ((), {})


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda bert: bert.integer("hidden_size"), r"hidden_size must be a whole number, not \"wide\""),
        (lambda bert: bert.number("eps"), "eps must be a number, not null"),
        (lambda bert: bert.text("act"), "act must be text in quotes, not 3"),
        (lambda bert: bert.table("rope"), r"rope must be an object with keys, not \[1\]"),
        (lambda bert: bert.pair("patch"), r"patch must be a size or \[height, width\], not \[1, 2, 3\]"),
        (lambda bert: bert.integer("layers"), "layers is missing"),
        (lambda bert: bert.model_type, "model_type is missing"),
    ],
)
def test_a_setting_of_another_type_or_none_is_refused_by_name(
    read: Callable[[TransformersConfig], object], said: str
) -> None:
    odd = config(hidden_size="wide", eps=None, act=3, rope=[1], patch=[1, 2, 3])
    with pytest.raises(BadModelError, match=f"config.json cannot be read: {said}"):
        read(odd)


def test_a_size_of_one_number_is_a_squares() -> None:
    assert config(size=8).pair("size") == (8, 8)
    assert config(size=(8, 12)).pair("size") == config(size=[8, 12]).pair("size") == (8, 12)


def test_a_list_that_is_null_is_empty_and_a_tuple_is_a_list() -> None:
    assert config(kinds=None).sequence("kinds") == ()
    assert config(kinds=("c2p",)).sequence("kinds") == ("c2p",)


def test_a_configuration_with_another_head_is_a_copy() -> None:
    bert = config_of(tiny.bert())
    other = bert.with_head("ForSequenceClassification", 3)
    assert other.architectures == ("ForSequenceClassification",)
    assert (other.integer("num_labels"), bert.integer("num_labels")) == (3, 2)
    assert bert.with_head("ForSequenceClassification", 2).labels == bert.labels


def test_a_model_without_a_configuration_has_no_settings() -> None:
    bare = config_of(object())
    assert bare.described() == {}
    with pytest.raises(BadModelError, match="hidden_size is missing"):
        bare.integer("hidden_size")
