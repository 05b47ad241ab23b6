"""What all pictures share: colours, axes, and names that leave room for what they name.

Text from data is escaped here, because plotly reads some HTML in labels. No colour needs a light page or a dark one.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK = "#808080"  # readable on white and on black
FAINT = "rgba(128,128,128,0.35)"
BLUE, ORANGE, GREEN, RED = "#4c8dd6", "#e08a3c", "#4fa36b", "#d65c5c"
SERIES = (BLUE, ORANGE, GREEN, RED, "#9a6fc4", "#8c7355", "#c47aa5", "#6f7f8f", "#b0a63c", "#3fa7b5")
HEIGHT = 340
HEIGHT_AROUND = 180  # what title, axis and legend take of a picture with a row for each bar
LEGEND = 70  # pixels below a picture for it
SHOWN_CHARACTERS = 32  # of a name beside a bar; the whole is shown where it is pointed at


def label(text: object) -> str:
    """Text that plotly shows as it is."""
    return html.escape(str(text), quote=False)


def short(text: object) -> str:
    """A name that leaves room for its bar, also on a phone: its beginning and its end."""
    whole = str(text)
    half = SHOWN_CHARACTERS // 2
    return label(whole if len(whole) <= SHOWN_CHARACTERS else f"{whole[:half]}…{whole[1 - half :]}")


def named_rows(figure: Figure, names: Sequence[str], shown: Sequence[str]) -> None:
    """Rows from the top in this order; what is shown of two names may be alike, their rows are not."""
    rows = [label(name) for name in names]
    figure.update_yaxes(
        categoryorder="array", categoryarray=rows, autorange="reversed", tickvals=rows, ticktext=list(shown)
    )


def ends(names: Sequence[str]) -> list[str]:
    """Names of parts without what all begin with, and the end of those that are long: it tells them apart."""
    parts = [name.split(".") for name in names]
    shortest = min(map(len, parts))
    common = 0
    while len(parts) > 1 and common < shortest - 1 and len({each[common] for each in parts}) == 1:
        common += 1
    rest = [".".join(each[common:]) for each in parts]
    return [label(each if len(each) <= SHOWN_CHARACTERS else f"…{each[1 - SHOWN_CHARACTERS :]}") for each in rest]


def new_figure(title: str, x: str | None, y: str | None) -> Figure:
    """An empty picture with the titles of its axes."""
    from plotly import graph_objects

    figure = graph_objects.Figure()
    figure.update_layout(
        title={"text": label(title), "font": {"size": 15}},
        height=HEIGHT,
        margin={"l": 60, "r": 60, "t": 48, "b": LEGEND + 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        showlegend=True,
    )
    figure.update_xaxes(
        title=x, gridcolor="rgba(128,128,128,0.25)", zerolinecolor="rgba(128,128,128,0.4)", automargin=True
    )
    figure.update_yaxes(
        title=y, gridcolor="rgba(128,128,128,0.25)", zerolinecolor="rgba(128,128,128,0.4)", automargin=True
    )
    return figure


def second_axis(figure: Figure, title: str) -> None:
    """What is drawn on "y2" gets a scale of its own, on the right."""
    axis = {"overlaying": "y", "side": "right", "title": title, "showgrid": False, "zeroline": False}
    figure.update_layout(yaxis2=axis)
