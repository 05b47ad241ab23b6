"""The verbs `recipes list`, `recipes show` and `recipes settings`."""

from typing import Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import AsJson, RecipeName

app = typer.Typer(help="The built-in recipes.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_recipes(as_json: AsJson = False) -> int:
    """List the built-in recipes.

    \b
    Example:
      edgewright recipes list
    """
    from edgewright.specs.recipe import load_recipe, recipe_names

    rows = [(recipe.name, recipe.description) for recipe in map(load_recipe, recipe_names())]
    if as_json:
        output.emit({"recipes": [{"name": name, "description": description} for name, description in rows]})
    else:
        from edgewright.report.terminal import names_report

        output.show(names_report(("recipe", "description"), rows))
    return 0


@app.command("show")
def show_recipe(
    recipe: RecipeName,
    as_json: AsJson = False,
) -> int:
    """Print a recipe as it stands; with --json, with every default filled in.

    \b
    Examples:
      edgewright recipes show demo > my-recipe.toml
      edgewright recipes show my-recipe.toml --json
    """
    from edgewright.specs.recipe import find_recipe, load_recipe

    checked = load_recipe(recipe)
    if as_json:
        output.emit(checked.model_dump(mode="json"))
    else:
        output.say(find_recipe(recipe).text.replace("\r\n", "\n"), end="")
    return 0


@app.command("settings")
def show_settings(
    wanted: Annotated[
        str, typer.Argument(metavar="[SECTION|SETTING]", help="Only this section, or this setting.", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Describe what a recipe may set: meaning, range, unit, default and cost of every setting.

    It is printed as Markdown; a section of the stages may be named without "stages.".

    \b
    Examples:
      edgewright recipes settings
      edgewright recipes settings quantize
      edgewright recipes settings distill.temperature
      edgewright recipes settings prune --json
    """
    from dataclasses import asdict

    from edgewright.specs import settings_reference as reference

    chosen = reference.settings(wanted)
    if as_json:
        output.emit({"settings": [asdict(setting) for setting in chosen]})
    else:
        output.say(reference.as_markdown(chosen), end="")
    return 0
