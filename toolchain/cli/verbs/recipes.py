"""The verbs `recipes list` and `recipes show`."""

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
