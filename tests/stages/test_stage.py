"""Stages as values: what a result is kept under, what parts it plays, and what is found of it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from edgewright.base.progress import Silent
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import load_recipe
from edgewright.stages.plan import NotMadeError, Plan
from edgewright.stages.stage import Build, Findings, Stage, StageResult, Workspace, run_stages

pytestmark = pytest.mark.usefixtures("own_places")


class Size(Findings):
    """How large something is."""

    parameters: int
    note: str | None = None
    predicted_ms: float = 0.0


def build() -> Build:
    plan = Plan(recipe=load_recipe("quick"), profile=load_profile("raspberry-pi-4"), progress=Silent())
    return Build(plan=plan)


def read(_: Build, work: Workspace) -> Size:
    (work.folder / "examples").write_text("three")
    return Size(parameters=0, note=None)


def cut(build: Build, work: Workspace) -> Size:
    before = build.findings("examples", Size)
    return Size(parameters=before.parameters + 7)


def seed(build: Build) -> Mapping[str, object]:
    return {"seed": build.plan.recipe.stages.finetune.seed}


READ = Stage(name="examples", version=1, findings=Size, make=read)
CUT = Stage(name="prune", version=1, findings=Size, make=cut, needs=("examples",), plays=("student",), settings=seed)


def test_a_result_plays_its_own_part_and_those_it_is_said_to_and_is_told_in_order() -> None:
    made = run_stages(build(), (READ, CUT))
    assert [each.name for each in made.made] == ["examples", "prune"]
    assert made.result("student") is made.result("prune")
    assert made.result("examples").file("examples").read_text() == "three"
    assert made.result("student").settings == {"seed": 0}


def test_findings_are_told_as_they_were_set_and_read_back_the_same() -> None:
    first, again = (run_stages(build(), (READ, CUT)) for _ in range(2))
    assert first.findings("examples", Size).document() == {"parameters": 0, "note": None}
    assert first.findings("student", Size).document() == {"parameters": 7}
    assert [each.entry.cached for each in again.made] == [True, True]
    assert [each.findings for each in again.made] == [each.findings for each in first.made]


def test_another_version_of_a_stage_is_made_anew_with_all_that_needs_it() -> None:
    run_stages(build(), (READ, CUT))
    made = run_stages(build(), (replace(READ, version=2), CUT))
    assert [each.entry.cached for each in made.made] == [False, False]
    made = run_stages(build(), (READ, replace(CUT, version=2)))
    assert [each.entry.cached for each in made.made] == [True, False]


@pytest.mark.parametrize("what", ["settings", "facts"])
def test_what_a_stage_reads_is_what_its_result_depends_on(what: str) -> None:
    run_stages(build(), (READ, CUT))
    changed = replace(CUT, **{what: lambda _: {"seed": 1}})
    assert not run_stages(build(), (READ, changed)).result("prune").entry.cached


def test_a_stage_that_does_not_apply_is_left_out_and_those_that_need_it_do_without() -> None:
    other = Stage(name="search", version=1, findings=Size, make=read, needs=("prune", "examples"))
    made = run_stages(build(), (READ, replace(CUT, applies=lambda _: False), other))
    assert [each.name for each in made.made] == ["examples", "search"]
    assert "student" not in made


def test_what_is_reckoned_anew_is_no_part_of_what_is_kept() -> None:
    def reckon(_: Build, result: StageResult[Size]) -> Size:
        return result.findings.model_copy(update={"predicted_ms": 2.5})

    made = run_stages(build(), (replace(READ, reckon=reckon),))
    assert made.findings("examples", Size).document()["predicted_ms"] == 2.5
    assert "predicted_ms" not in run_stages(build(), (READ,)).findings("examples", Size).document()


def test_a_stage_may_amend_the_plan_of_what_follows() -> None:
    def amend(plan: Plan, found: Size) -> Plan:
        return replace(plan, profile=load_profile("raspberry-pi-5"))

    made = run_stages(build(), (replace(READ, amend=amend),))
    assert made.plan.profile.name == "raspberry-pi-5"


def test_where_nothing_is_to_be_made_the_first_stage_that_is_not_kept_is_named() -> None:
    run_stages(build(), (READ,))
    start = build()
    with pytest.raises(NotMadeError, match="prune"):
        run_stages(replace(start, plan=replace(start.plan, only_cached=True)), (READ, replace(CUT, version=9)))


def test_checkpoints_of_a_stage_that_is_done_are_removed_and_those_of_one_that_was_cut_off_are_found_again() -> None:
    found = []

    def train(_: Build, work: Workspace) -> Size:
        found.append(work.checkpoints.is_dir() and sorted(each.name for each in work.checkpoints.iterdir()))
        work.checkpoints.mkdir(exist_ok=True)
        (work.checkpoints / "step 3").write_text("")
        if len(found) == 1:
            raise KeyboardInterrupt
        return Size(parameters=len(found))

    stage = Stage(name="distill", version=1, findings=Size, make=train)
    with pytest.raises(KeyboardInterrupt):
        run_stages(build(), (stage,))
    assert run_stages(build(), (stage,)).findings("distill", Size).parameters == 2
    assert not run_stages(build(), (stage,)).result("distill").file("step 3").exists()
    run_stages(build(), (replace(stage, version=2),))
    assert found == [False, ["step 3"], False]


def test_findings_of_another_stage_are_told_apart() -> None:
    made = run_stages(build(), (READ,))
    with pytest.raises(AssertionError, match="examples has Size"):
        made.findings("examples", type("Other", (Findings,), {}))
