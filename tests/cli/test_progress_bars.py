"""Progress as a terminal and a log show it."""

import io
import time

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from edgewright.base.progress import Progress, Silent, about
from edgewright.cli import progress_bars as shown
from edgewright.cli.console import PlainConsole
from edgewright.cli.progress_bars import BarProgress, DeviceBar, LineProgress, shown_devices, shown_progress


def work(progress: Progress) -> None:
    with progress.stage("outer [x]"), progress.stage("inner"):
        progress.update(1, 4, "loss 0.5")
    progress.update(1, 2)


def test_a_log_gets_a_line_when_a_stage_begins_and_ends(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "LINE_EVERY_S", 0.0)
    work(LineProgress())
    said = capfd.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[:3] == ["outer [x] …", "inner …", "inner: 25 % loss 0.5"]
    assert [line.partition(":")[0] for line in lines[3:]] == ["inner", "outer [x]"]


def test_a_log_tells_how_much_time_is_left(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = LineProgress()
    with lines.stage("teacher"):
        for step in range(1, 7):  # a fitting: 10 % in 30 s
            now[0] = 30.0 * step
            lines.update(step / 10, 1.0, "loss 0.5")
        now[0] += 30
        lines.update(0, 500, "scoring")  # another phase, which has no pace yet
        now[0] += 30
        lines.update(250, 500, "scoring")
    assert capfd.readouterr().err.splitlines()[1:-1] == [
        "teacher: 10 % loss 0.5",
        "teacher: 20 %, about 4 min left, loss 0.5",
        "teacher: 30 %, about 4 min left, loss 0.5",
        "teacher: 40 %, about 3 min left, loss 0.5",
        "teacher: 50 %, about 2 min left, loss 0.5",
        "teacher: 60 %, about 2 min left, loss 0.5",
        "teacher: 0 % scoring",
        "teacher: 50 %, about 30 s left, scoring",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40, "40 s"), (89, "89 s"), (100, "2 min"), (3000, "50 min"), (5400, "1 h 30 min")],
)
def test_durations_are_told_as_roughly_as_they_are_known(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_a_stage_that_fails_is_not_told_as_done(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), LineProgress().stage("prune"):
        raise KeyError
    assert capfd.readouterr().err == "prune …\n"


def test_bars_tick_off_what_is_done() -> None:
    bars = Bars(console=Console(file=io.StringIO()))
    work(BarProgress(bars))
    assert [task.finished for task in bars.tasks] == [True, True]
    with pytest.raises(KeyError), BarProgress(bars).stage("prune"):
        raise KeyError
    assert not bars.tasks[-1].finished


def test_of_several_devices_each_line_has_its_name_also_that_of_a_stage_that_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with shown_devices() as shown, pytest.raises(KeyError), shown("kitchen").stage("push"):
        raise KeyError
    assert capfd.readouterr().err.splitlines() == ["kitchen: push …", "kitchen: push failed"]


def test_of_several_devices_each_has_one_bar_that_says_what_it_is_doing() -> None:
    bars = Bars(console=Console(file=io.StringIO()))
    kitchen, attic = DeviceBar(bars, "kitchen"), DeviceBar(bars, "attic")
    with kitchen.stage("push"):
        pass
    with kitchen.stage("measure"):
        kitchen.update(1, 3, "a process")
    with pytest.raises(KeyError), attic.stage("connect"):
        raise KeyError
    first, second = bars.tasks
    assert (first.description, first.completed, first.total, first.fields["note"]) == (
        "kitchen",
        1,
        3,
        "measure a process",
    )
    assert (second.description, second.fields["note"]) == ("attic", "connect failed")


def test_where_no_person_watches_lines_are_shown() -> None:
    with shown_progress() as progress:
        assert isinstance(progress, LineProgress)


def test_a_silent_listener_takes_everything(capfd: pytest.CaptureFixture[str]) -> None:
    work(Silent())
    assert capfd.readouterr() == ("", "")


def test_what_a_device_is_called_steers_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    hostile = "pi\x1b]52;c;cm0=\x07\x9b2J\u202e\nerror: all is lost"
    line = LineProgress(hostile)
    with line.stage(hostile):
        line.update(1, 2, hostile)
    assert not [sign for sign in capfd.readouterr().err if not sign.isprintable() and sign != "\n"]
    sink = io.StringIO()
    console = PlainConsole(file=sink, width=200, force_terminal=True, color_system=None)
    with Bars("{task.description}", console=console, auto_refresh=False) as bars:
        bar = BarProgress(bars)
        with bar.stage(hostile):
            bar.update(1, 2, hostile)
            bars.refresh()
    assert "]52" in sink.getvalue()
    assert not {"\x07", "\x9b", "\u202e"} & set(sink.getvalue())
    assert "\x1b]" not in sink.getvalue()
