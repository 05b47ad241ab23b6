"""The verb `build`: a recipe and a profile to a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import AsJson, ProfileName, RecipeName
from edgewright.cli.verbs.history import Keep, keep

MISSED = 1


def build(
    recipe: RecipeName,
    profile: ProfileName,
    bundle: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the bundle is written: a folder, or NAME.zip.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace DIR or NAME.zip even if it is not a bundle.")] = False,
    even_if_unreachable: Annotated[
        bool,
        typer.Option(
            "--even-if-unreachable", help="Build although the prediction says that the budget cannot be kept there."
        ),
    ] = False,
    history: Keep = True,
    as_json: AsJson = False,
) -> int:
    """Build a bundle: teach a small student, quantise and export it, and check every artifact.

    It says first which stages it will make and about how long that takes here. Every stage's result is cached: the
    same command goes on where it was interrupted, and repeats in seconds. A budget that the recipe's student cannot
    keep on the device, by the lower end of its prediction, is refused before anything is trained, with the nearest that
    it could.

    \b
    Examples:
      edgewright build demo --profile raspberry-pi-4 -o build/demo
      edgewright build ./my-recipe.toml --profile ./my-board.toml -o out --json
    """
    from edgewright.base.extras import need_build
    from edgewright.bundles.replacing import require_replaceable
    from edgewright.models.source import check
    from edgewright.specs.profiles import load_profile
    from edgewright.specs.recipe import load_recipe

    need_build("build a bundle")
    plan, device = load_recipe(recipe), load_profile(profile)
    require_replaceable(bundle, force=force)
    check(plan.model, plan.task.description.modality)  # before torch is imported
    with output.work_on_stderr():
        from edgewright.cli.progress_bars import shown_progress
        from edgewright.pipeline import build as run_build

        with shown_progress() as progress:
            result = run_build(
                plan,
                device,
                bundle,
                even_if_unreachable=even_if_unreachable,
                force=force,
                estimated=True,
                progress=progress,
            )
    summary = result.summary()
    if history:
        keep("build", summary)
    if as_json:
        output.emit(summary)
    else:
        from edgewright.report.terminal import build_report

        output.show(build_report(summary))
    return 0 if result.verdict.met else MISSED
