"""The parts of a page that tell measurements.

In:  measurements, and what is known of the bundle's compression.
Out: `PageSection`s and tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgewright.measure.measurement import apart_from_others
from edgewright.measure.stats import summarize
from edgewright.report import measurement_figures
from edgewright.report.compression import Compression
from edgewright.report.generation_section import generation_facts, generation_pictures, generation_tables
from edgewright.report.judged_cells import CLOCK_NOTES
from edgewright.report.measured import Measured
from edgewright.report.sections import UNKNOWN, PageSection, TextTable, fact, megabytes, milliseconds

MACHINE = ("board", "cpu_model", "cores", "arch", "ram_bytes", "kernel", "os", "libc", "python", "governor")
STATE = ("clock_mhz", "temperature_c", "load_1min", "ram_available_bytes", "swap_used_bytes", "throttling")


def side_by_side(measured: Sequence[Measured]) -> TextTable:
    """One row for each measurement."""
    rows = tuple(
        (
            each.name or each.bundle,
            each.target,
            f"{each.artifact.runtime} {each.artifact.runtime_version}",
            _speed(each),
            megabytes(each.peak_rss_bytes),
            megabytes(each.artifact.bytes),
            UNKNOWN if each.score is None else f"{each.score:.4f}",
        )
        for each in measured
    )
    return TextTable(heads=("bundle", "target", "runtime", "median", "peak memory", "size", "score"), rows=rows)


def _speed(each: Measured) -> str:
    """The median of an inference, or tokens per second where there is such a rate."""
    if each.generation is not None and (rate := each.generation.tokens_per_second) is not None:
        return f"{rate:.4g} tokens/s"
    found = summarize(each.latency_by_run, apart=apart_from_others(each.clock, each.machine))
    return UNKNOWN if found is None else f"{found.p50:.4g} ms"


def measurement_section(measured: Measured, compression: Compression | None, *, pictures: bool) -> PageSection:
    """One measurement on one machine."""
    notes = []
    if measured.emulated:
        notes.append(CLOCK_NOTES[measured.clock])
    if not measured.stable:
        notes.append(f"Not stable: {'; '.join(measured.reasons) or 'it does not say why'}.")
    if measured.against_float:
        notes.append(measured.against_float.verdict)
    summary = summarize(measured.latency_by_run, apart=apart_from_others(measured.clock, measured.machine))
    artifact = measured.artifact
    facts = [
        ("artifact", f"{artifact.file}, {megabytes(artifact.bytes)}"),
        ("runtime", f"{artifact.runtime} {artifact.runtime_version}"),
        ("threads", str(measured.threads)),
    ]
    of_what = "median of one token" if measured.generation else "median"
    if summary:
        facts += [
            (f"{of_what} (95 % interval)", f"{summary.p50:.4g} ms ({summary.low:.4g} to {summary.high:.4g})"),
            ("p90, p99", f"{summary.p90:.4g} ms, {summary.p99:.4g} ms"),
            ("samples", f"{summary.count} of {len(measured.runs)} processes"),
        ]
    if (cold := measured.cold) is not None:
        spans = f"load {milliseconds(cold.load_ms)}, first inference {milliseconds(cold.first_inference_ms)}"
        facts.append(("from storage", spans))
    facts.append(("peak memory", megabytes(measured.peak_rss_bytes)))
    written = measured.generation
    if written is not None:
        facts += generation_facts(measured, written)
    facts += [(f"energy of one inference, {name}", f"{value:.3g} mJ") for name, value in measured.energy_mj.items()]
    if compression is not None:
        facts += _predicted(measured, compression)
    machine = tuple(
        (name.replace("_", " "), fact(measured.machine.get(name)), fact(measured.machine_after.get(name)))
        for name in (*MACHINE, *STATE)
        if measured.machine.get(name) is not None
    )
    return PageSection(
        title=f"Measured on {measured.target}",
        sentences=tuple(notes),
        tables=(
            TextTable(heads=("", "measured"), rows=tuple(facts)),
            *(generation_tables(written) if written is not None else ()),
            TextTable(heads=("machine", "before", "after"), rows=machine),
        ),
        pictures=(*generation_pictures(measured), *measurement_figures.all_of(measured)) if pictures else (),
    )


def _predicted(measured: Measured, compression: Compression) -> Iterator[tuple[str, str]]:
    """What the profile's facts and the build's machine had said of it."""
    stage = f"int8 {measured.artifact.runtime}"
    row = next((each for each in compression.stages if each.stage == stage), None)
    if row is None:
        return
    if row.predicted_layers_ms is not None:
        estimate = f"{milliseconds(row.predicted_layers_ms)}, of its layers alone and for a text of 16 tokens"
        yield "the profile's estimate", estimate
    if (there := row.measured_ms.get(measured.artifact.runtime)) is not None:
        yield "where it was built", milliseconds(there)
