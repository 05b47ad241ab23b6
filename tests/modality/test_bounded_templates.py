"""Templates whose work has no end are refused at once, and each text has the whole budget."""

import time

import pytest

from edgewright.errors import UnsupportedModelError
from edgewright.modality.chat_template import ChatTemplate

NESTED = "{% set n = namespace(x=[1]) %}{% for a in range(30) %}{% set n.x = [n.x, n.x] %}{% endfor %}"
MESSAGES = [{"role": "user", "content": " Why is the sky blue?"}, {"role": "assistant", "content": "It scatters."}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}", "more than 200000 steps"),
        ("{% for a in messages recursive %}{{ loop(messages) }}{% endfor %}", "RecursionError"),
        ("{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}", "RecursionError"),
        (
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
            "more than 200000 steps",
        ),
        ("{{ 'a' * 9999999999 }}", "longer than"),
        ("{% if [0] * 9999999999 %}{% endif %}", "longer than"),
        ("{{ 9 ** 99999999 }}", "thousands of digits"),
        ("{% set n = namespace(x=9) %}{% for a in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}", "digits"),
        ("{% set n = namespace(x='a') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "longer than"),
        ("{% set n = namespace(x='a') %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}", "longer than"),
        (NESTED + "{{ n.x }}", "longer"),
        (NESTED + "{{ n.x | tojson | length }}", "longer"),
        (NESTED + "{{ n.x | upper | length }}", "longer"),
        ("{% set x %}{% for a in range(90000) %}{{ 'a' * 900 }}{% endfor %}{% endset %}", "more text than messages"),
        ("{{ '%9999999999d' % 1 }}", "thousands of columns"),
        ("{{ '%*d' % (9999999999, 1) }}", "thousands of columns"),
        ("{{ '{:9999999999}'.format(1) }}", "formats text by a pattern"),
        ("{{ '{x:9999999999}'.format_map({'x': 1}) }}", "formats text by a pattern"),
        ("{{ 'a'.center(9999999999) }}", "is unsafe"),
        ("{{ 'a'['center'](9999999999) }}", "is unsafe"),
        ("{{ (1).to_bytes(9999999999, 'big') }}", "is unsafe"),
        ("{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}", "longer than"),
        ("{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}", "longer than"),
        ("{{ [('a' * 1000000)] | map('replace', 'a', 'b' * 1000000) | first }}", "longer than"),
        ("{{ ('a' * 1000000).join(['b'] * 1000000) }}", "longer than"),
        ("{{ (['b'] * 1000000) | join('a' * 1000000) }}", "longer than"),
        ("{{ 'a\nb' | indent(9999999999) }}", "thousands of columns"),
        ("{{ messages | tojson(indent=9999999999) }}", "thousands of columns"),
        ("{{ range(10 ** 9) | list }}", "more than 200000 steps"),
    ],
)  # fmt: skip
def test_work_without_end_is_refused_at_once(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(UnsupportedModelError, match="a chat template that is code") as caught:
        ChatTemplate(text).write(MESSAGES)
    assert said in str(caught.value)
    assert time.process_time() - began < 10


def test_a_template_is_given_the_same_budget_each_time_it_writes() -> None:
    template = ChatTemplate("{% for a in range(90000) %}{% endfor %}{{ loop is defined }}")
    assert [template.write(MESSAGES) for _ in range(3)] == ["False"] * 3
