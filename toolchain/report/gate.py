"""May this change go in? Limits on a comparison, decided by intervals, told as a reviewer wants to read it.

In:  a `Comparison` and `GateLimits`.
Out: `Decision`: a finding for each limit; as a document, as Markdown for a pull request and as JUnit's XML.
A slowdown is of the latency, or of what writes text of a first token and of tokens per second. It fails only where the
whole interval lies beyond the limit, so that noise alone fails nothing; where the interval reaches beyond it, the
finding is "unsure", passes, and says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal
from xml.etree import ElementTree

from edgewright.base.json_values import JsonObject
from edgewright.base.plain import escaped, printable
from edgewright.report.compare import Comparison, Difference
from edgewright.specs.metrics import goodness, lower_is_better

Outcome = Literal["passed", "failed", "unsure", "unknown"]
SIGNS: dict[Outcome, str] = {"passed": "✅", "failed": "❌", "unsure": "⚠️", "unknown": "❔"}


@dataclass(frozen=True, kw_only=True)
class GateLimits:
    """The most that may change for the worse; None is no limit. A score's loss is in points of a hundred."""

    slowdown_percent: float | None = None
    score_drop: float | None = None
    memory_growth_percent: float | None = None
    size_growth_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One limit and what was found."""

    name: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """All findings; `passed` unless one failed or could not be judged."""

    comparison: Comparison
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether the change may go in."""
        return not any(each.outcome in ("failed", "unknown") for each in self.findings)

    def document(self) -> JsonObject:
        """As `edgewright gate --json` prints it."""
        findings = [asdict(each) for each in self.findings]
        return {"passed": self.passed, "findings": findings, "comparison": self.comparison.document()}

    def markdown(self) -> str:
        """For a pull request."""
        after = self.comparison.after
        head = f"### edgewright gate: {'passed' if self.passed else 'failed'}"
        about = f"{_code(after.name or after.bundle)} ({escaped(after.artifact.runtime)}) on {_code(after.target)}"
        if after.clock == "instructions":
            about += ", by a clock that counts instructions"
        rows = [f"- {SIGNS[each.outcome]} {escaped(each.sentence)}" for each in self.findings]
        notes = [f"- ⚠️ compared by force: {escaped(each)}" for each in self.comparison.obstacles]
        return "\n".join([head, "", about, "", *rows, *notes, ""])

    def junit(self) -> str:
        """As test reports are read by continuous integration: a case for each limit."""
        failures = [each for each in self.findings if each.outcome in ("failed", "unknown")]
        suite = ElementTree.Element(
            "testsuite", name="edgewright gate", tests=str(len(self.findings)), failures=str(len(failures)), errors="0"
        )
        after = self.comparison.after
        for each in self.findings:
            case = ElementTree.SubElement(
                suite, "testcase", classname=printable(f"edgewright.{after.name or after.bundle}"), name=each.name
            )
            if each in failures:
                ElementTree.SubElement(case, "failure", message=printable(each.sentence))
            else:
                ElementTree.SubElement(case, "system-out").text = printable(each.sentence)
        text: str = ElementTree.tostring(suite, encoding="unicode")
        return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def decide(comparison: Comparison, limits: GateLimits) -> Decision:
    """Judge each limit that is set."""
    found = []
    if limits.slowdown_percent is not None:
        found += _slowdowns(comparison, limits.slowdown_percent)
    if limits.score_drop is not None:
        found.append(_score(comparison, limits.score_drop))
    for name, limit in (("peak memory", limits.memory_growth_percent), ("artifact", limits.size_growth_percent)):
        if limit is not None:
            found.append(_growth(next(each for each in comparison.differences if each.name == name), limit))
    return Decision(comparison=comparison, findings=tuple(found))


def _slowdowns(comparison: Comparison, limit: float) -> list[Finding]:
    """One for each time and rate."""
    if not comparison.speeds:
        told = "Latency was not measured, so it cannot be judged."
        return [Finding(name="slowdown", outcome="unknown", sentence=told)]
    return [_slowdown(each, limit, alone=len(comparison.speeds) == 1) for each in comparison.speeds]


def _slowdown(speed: Difference, limit: float, *, alone: bool) -> Finding:
    name = "slowdown" if alone else f"slowdown of {speed.name}"
    if speed.low_percent is None or speed.high_percent is None:
        told = f"{_capitalised(speed.name)} was not measured often enough, so it cannot be judged."
        return Finding(name=name, outcome="unknown", sentence=told)
    low, high = speed.low_percent, speed.high_percent
    change = (
        f"{_capitalised(speed.name)} went from {speed.before:.4g} to {speed.after:.4g} {speed.unit}: "
        f"{speed.change_percent:+.2f} %, 95 % interval {low:+.2f} to {high:+.2f} %"
    )
    allowed = f"a loss of {limit:g} % is allowed" if speed.more_is_better else f"{limit:g} % is allowed"
    least, most = (-high, -low) if speed.more_is_better else (low, high)  # for the worse
    if least > limit:
        return Finding(name=name, outcome="failed", sentence=f"{change}; {allowed}.")
    if most > limit:
        told = f"{change}; {allowed}, and these samples cannot tell; take more of them."
        return Finding(name=name, outcome="unsure", sentence=told)
    return Finding(name=name, outcome="passed", sentence=f"{change}; {allowed}.")


def _capitalised(name: str) -> str:
    return name[:1].upper() + name[1:]


def _score(comparison: Comparison, limit: float) -> Finding:
    before, after, change = comparison.before, comparison.after, comparison.score_change
    if change is None or before.score is None or after.score is None:
        told = "The score of one of the two is not known, or not the same metric, so it cannot be judged."
        return Finding(name="score drop", outcome="unknown", sentence=told)
    way = " (less is better)" if lower_is_better(after.metric) else ""
    told = (
        f"The {after.metric} went from {100 * before.score:.2f} to {100 * after.score:.2f}: {change:+.2f} points{way}; "
        f"{limit:g} may be lost."
    )
    lost = -goodness(after.metric, change)
    return Finding(name="score drop", outcome="passed" if lost <= limit else "failed", sentence=told)


def _growth(difference: Difference, limit: float) -> Finding:
    told = (
        f"The {difference.name} went from {difference.before / 1e6:.3f} to {difference.after / 1e6:.3f} MB: "
        f"{difference.change_percent:+.2f} %; {limit:g} % is allowed."
    )
    outcome: Outcome = "passed" if difference.change_percent <= limit else "failed"
    return Finding(name=f"{difference.name} growth", outcome=outcome, sentence=told)


def _code(text: str) -> str:
    return f"`{printable(text).replace('`', ' ')}`"
