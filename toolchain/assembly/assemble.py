"""The bundle of a build that is done: its files, and its manifest.

In:  a `Build` whose artifacts were checked and timed, and where the bundle is to be written.
Out: `BuildResult`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from edgewright.assembly.artifacts import Sides, artifact_facts, best_of
from edgewright.assembly.manifest import manifest_of
from edgewright.assembly.result import BuildResult
from edgewright.bundles import bundle as bundles
from edgewright.bundles.expected_texts import ExpectedTexts, asked, write_expected
from edgewright.bundles.schema import Manifest
from edgewright.bundles.vectors import write_examples
from edgewright.measure.generating import generate_here
from edgewright.measure.prompts import Decoding, prompt_of
from edgewright.stages.exported import Exported, exported
from edgewright.stages.sides import Side, student_of
from edgewright.stages.stage import Build
from edgewright.stages.teacher import TeacherFindings

EXPECTED_PROMPTS = 8  # after which an artifact's text is kept, to be checked on devices
CHECKED = Decoding(max_tokens=32)


def assemble(build: Build, output: Path, *, force: bool) -> BuildResult:
    """Write the bundle. What lies at `output` is replaced only where it is a bundle of ours, or with `force`."""
    plan, made, student = build.plan, exported(build), student_of(build)
    sides = Sides.of(build)
    artifacts = [artifact_facts(build, each, sides) for each in made]
    best = best_of(plan.recipe, build.findings("teacher", TeacherFindings), artifacts)

    def manifest(hashes: dict[str, str]) -> Manifest:
        return manifest_of(build, student, artifacts, best, hashes)

    def fill(folder: Path) -> None:
        _copy_artifacts(made, folder, with_float=plan.recipe.stages.export.float_reference)
        _copy_beside(build, folder)
        if student.input_spec().writes:
            write_expected(folder, _written_here(made, student))
        else:
            _write_vectors(student, folder)

    with plan.progress.stage("bundle"):
        bundle = bundles.write(output, manifest, fill, force=force)
    return BuildResult(bundle=bundle, verdict=best.verdict, profile=plan.profile)


def _copy_artifacts(made: Sequence[Exported], folder: Path, *, with_float: bool) -> None:
    for each in made:
        shutil.copyfile(each.file(each.int8), folder / each.file(each.int8).name)
        if with_float:
            shutil.copyfile(each.file(each.float_reference), folder / each.float_name)


def _copy_beside(build: Build, folder: Path) -> None:
    """What makes the artifacts' inputs, and what a search finds, where a build has them."""
    beside = (build.result("inputs").file(name) for name in build.plan.modality.bundle_files)
    found = [file for file in beside if file.is_file()]
    if "index" in build:
        found += [build.result("index").file(name) for name in (bundles.CORPUS, bundles.INDEX)]
    for file in found:
        shutil.copyfile(file, folder / file.name)


def _written_here(made: Sequence[Exported], student: Side) -> dict[str, ExpectedTexts]:
    """What each artifact writes on this machine after some held-out prompts, by its runtime's name."""
    examples = student.examples_of(student.asked())[:EXPECTED_PROMPTS]
    found = {}
    for each in made:
        signature = each.int8.findings.signature
        ids = [prompt_of(ids, signature, CHECKED, truncate=True).ids for ids in examples]
        prompts = asked(ids, CHECKED.max_tokens)
        written = generate_here(each.runtime, each.file(each.int8), signature, prompts)
        found[each.runtime] = ExpectedTexts.of(prompts, written.texts)
    return found


def _write_vectors(student: Side, folder: Path) -> None:
    """What a device is asked, and what the float student gives."""
    asked = student.asked()
    examples = student.examples_of(asked)
    outputs = student.input_spec().apart(student.outputs(asked), examples)
    write_examples(folder, student.input_spec(), examples, [row.tolist() for row in outputs])
