"""Recipes: what a minimal one gives, and how every fault is told."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewright.base.reading import Source, key_lines, read_toml, validated
from edgewright.errors import EnvironmentFaultError, InputError, InvalidFileError, UnknownNameError
from edgewright.specs.recipe import Data, ModelSource, Prune, Recipe, find_recipe, load_recipe, recipe_names

MINIMAL = """
[recipe]
name = "mine"
[model]
folder = "teacher"
[task]
kind = "embedding"
[data]
builtin = "stdlib-search"
"""


def faults(write: Callable[[str], Path], text: str) -> dict[str, str]:
    with pytest.raises(InvalidFileError) as caught:
        load_recipe(write(text))
    return dict(caught.value.faults)


@pytest.mark.parametrize("name", recipe_names())
def test_every_built_in_recipe_is_sound(name: str) -> None:
    assert load_recipe(name).name == name


def test_the_demo_has_a_budget_and_finds_its_teacher_without_importing_it() -> None:
    demo = load_recipe("demo")
    assert demo.budget.artifact_mb is not None
    assert demo.budget.peak_memory_mb == 32
    folder = demo.model.package_folder()
    assert folder is not None
    assert (folder / "config.json").is_file()


def test_a_minimal_recipe_has_good_defaults(toml_file: Callable[[str], Path]) -> None:
    recipe = load_recipe(toml_file(MINIMAL))
    distill = recipe.stages.distill
    assert distill.epochs is distill.train_tokens is distill.minutes is None  # as much as the student's size tells
    assert recipe.stages.export.runtimes == ("executorch", "litert")
    assert recipe.stages.quantize.scheme is None
    assert recipe.budget.latency_ms is None


def test_relative_paths_start_from_the_recipes_folder(toml_file: Callable[[str], Path]) -> None:
    path = toml_file(MINIMAL)
    assert load_recipe(path).model.folder == path.parent / "teacher"


def test_a_recipe_written_as_json_reads_back_the_same(toml_file: Callable[[str], Path]) -> None:
    for recipe in (load_recipe(toml_file(MINIMAL)), load_recipe("demo")):
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_built_in_recipe_says_how_much_is_trained_and_not_for_how_long(name: str) -> None:
    made = load_recipe(name).stages
    for lesson in (*made.distill.lessons, *filter(None, [made.aware_lesson])):
        assert lesson.epochs or lesson.train_tokens or lesson.train_images
        assert lesson.minutes is None
    assert made.finetune.minutes is None


@pytest.mark.parametrize(
    ("section", "ends"),
    [
        ("distill", "epochs or train_tokens or train_images"),
        ("distill.finish", "epochs or train_tokens"),
        ("quantize.aware", "epochs or train_tokens or train_images"),
    ],
)
def test_minutes_are_a_limit_and_do_not_say_how_much_is_trained(
    toml_file: Callable[[str], Path], section: str, ends: str
) -> None:
    text = f"{MINIMAL}[stages.{section}]\nminutes = 3\n"
    (what,) = faults(toml_file, text).values()
    assert f"needs {ends}, to know when to end; minutes is a limit alone" in what
    bounded = f"{text}train_tokens = 5000\n"
    if section != "distill":
        bounded += "[stages.distill]\nepochs = 1\n"
    load_recipe(toml_file(bounded))


def test_training_is_measured_in_the_unit_of_the_tasks_own_examples(toml_file: Callable[[str], Path]) -> None:
    found = faults(toml_file, MINIMAL + "[stages.distill]\ntrain_images = 5000\n")
    assert "is not for embedding, whose training is measured by train_tokens" in "".join(found.values())
    images = MINIMAL.replace("embedding", "image-classification").replace("stdlib-search", "digits")
    images += "[stages.distill]\ntrain_tokens = 5000\n"
    assert "whose training is measured by train_images" in "".join(faults(toml_file, images).values())


def test_the_lengths_end_with_the_tasks_own() -> None:
    values = {"recipe": {"name": "x"}, "model": {"hub": "a/b"}, "data": {"builtin": "stdlib-search"}}
    for longest, lengths in ((64, (8, 16, 24, 32, 48, 64)), (40, (8, 16, 24, 32, 40)), (8, (8,))):
        recipe = Recipe.model_validate(values | {"task": {"kind": "embedding", "max_length": longest}})
        assert recipe.lengths == lengths
    recipe = Recipe.model_validate(values | {"task": {"kind": "embedding", "max_length": 256}})
    assert recipe.lengths[-2:] == (128, 256)


def test_every_fault_is_told_at_once_with_its_line(toml_file: Callable[[str], Path]) -> None:
    found = faults(
        toml_file,
        """[recipe]
nam = "x"
[model]
folder = "./m"
hub = "a/b"
[task]
kind = "embeding"
max_length = "12"
[data]
file = "d.doc"
split = { tset = 0.1 }
[prune]
layers = 3
[stages.prune]
layers = [3, true]
neurons = -1
[stages.finetune]
epochs = 2.5
[budget]
latency_ms = nan
""",
    )
    assert found == {
        "line 1, recipe.name": "is missing",
        "line 2, recipe.nam": "is not a known key; did you mean name?",
        "line 3, model": "needs exactly one of folder, hub, factory and package; found folder and hub",
        "line 7, task.kind": '"embeding" is not one of embedding, classification, token-classification, regression, '
        "image-classification; did you mean embedding?",
        "line 8, task.max_length": 'must be a whole number, not "12"',
        "line 10, data.file": "'d.doc' is of no known format; give a file ending in .csv, .jsonl, .parquet, .conll, "
        ".txt",
        "line 11, data.split.tset": "is not a known key; did you mean test?",
        "line 12, prune": "does not belong here; it is known as stages.prune",
        "line 15, stages.prune.layers": "must be a number of layers or a list of layer indexes counted from 0, "
        "not [3, True]",
        "line 16, stages.prune.neurons": "must be more than 0, not -1",
        "line 18, stages.finetune.epochs": "must be a whole number, not 2.5",
        "line 20, budget.latency_ms": "must be a finite number, not NaN",
    }


def test_faults_stand_in_the_files_order(toml_file: Callable[[str], Path]) -> None:
    text = MINIMAL + "[budget]\nlatency_ms = -1\n[stages.prune]\nheads = 0\n[stages.export]\nlengths = [16, 8]\n"
    assert [place.split(",")[0] for place in faults(toml_file, text)] == ["line 11", "line 13", "line 15"]


def test_faults_between_sections_come_with_the_others(toml_file: Callable[[str], Path]) -> None:
    text = MINIMAL.replace("embedding", "classification") + "[budget]\nartifact_mb = 0\n"
    assert faults(toml_file, text) == {
        "line 9, data.builtin": "stdlib-search is for embedding, but task.kind is classification",
        "line 11, budget.artifact_mb": "must be more than 0, not 0",
    }


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("", "needs exactly one of builtin, file, folder and train; found none"),
        ('builtin = "stdlib-search"\nfile = "a.csv"', "found builtin and file"),
        ('train = "a.csv"', "train needs test beside it"),
        ('file = "a.csv"\ntest = "b.csv"', "test belongs beside train"),
        ('train = "a.csv"\ntest = "b.csv"\nsplit = { test = 0.5 }', "split is for a single file"),
        ('builtin = "stdlib-search"\nsplit = { test = 0.5 }', "with builtin the parts are already apart"),
        ('builtin = "stdlib-search"\ncolumns = { text = "t" }', "columns are for files of yours"),
        ('file = "a.csv"\nextra_text_packages = ["numpy"]', "extra_text_packages belongs to the built-in set"),
        ('file = "a.csv"\nsplit = { test = 0.7, validation = 0.5 }', "less than 1 must go"),
        ('file = "a.csv"', "must name the column pair, which embedding learns from"),
    ],
)
def test_data_that_contradicts_itself_is_refused(toml_file: Callable[[str], Path], data: str, sentence: str) -> None:
    found = faults(toml_file, MINIMAL.replace('builtin = "stdlib-search"', data))
    assert any(sentence in what for what in found.values()), found


@pytest.mark.parametrize(
    ("kind", "task", "data", "place", "sentence"),
    [
        ("regression", "", 'file = "a.csv"', "data.columns", "must name the column value"),
        ("regression", 'labels = ["a"]', 'file = "a.csv"', "task.labels", "regression has none"),
        ("embedding", "", 'file = "a.csv"\ncolumns = { pair = "p", tags = "t" }', "data.columns.tags", "text and pair"),
        (
            "embedding",
            "image_size = 32",
            'builtin = "stdlib-search"',
            "task.image_size",
            "but task.kind is embedding, which reads text",
        ),
        ("embedding", "", 'folder = "a"', "data.folder", "is for images, but task.kind is embedding"),
        ("classification", "", 'file = "a.txt"', "data.file", "'a.txt' is not for classification, which reads .csv"),
        (
            "classification",
            "",
            'train = "a"\ntest = "b"',
            "data.train",
            "'a' is a folder, but classification reads .csv",
        ),
        ("classification", 'labels = ["a", "a"]', 'file = "a.csv"', "task.labels", "must name each once"),
        ("classification", 'labels = ["a"]', 'builtin = "stdlib-packages"', "task.labels", "is for files of yours"),
        ("classification", "", 'builtin = "digits"', "data.builtin", "digits is for image-classification"),
        ("token-classification", "", 'file = "a.csv"', "data.file", "which reads .jsonl, .parquet, .conll and .txt"),
        (
            "token-classification",
            "",
            'builtin = "stdlib-parameters"\n[stages.account]\nattributions = 2',
            "stages.account.attributions",
            "each of its words has its own",
        ),
        ("classification", "", 'builtin = "stdlib-parameters"', "data.builtin", "is for token-classification"),
        (
            "image-classification",
            "max_length = 64",
            'builtin = "digits"',
            "task.max_length",
            "which reads images; set task.image_size",
        ),
        ("image-classification", "", 'builtin = "digits"\nextra_text = "a.txt"', "data.extra_text", "is for text"),
        ("image-classification", "image_size = 0", 'builtin = "digits"', "task.image_size", "from 1 to 4096"),
        ("image-classification", "image_size = [8]", 'builtin = "digits"', "task.image_size", "or [height, width]"),
    ],
)
def test_what_a_kind_of_task_has_no_use_for_is_told(
    toml_file: Callable[[str], Path], kind: str, task: str, data: str, place: str, sentence: str
) -> None:
    text = MINIMAL.replace('"embedding"', f'"{kind}"\n{task}').replace('builtin = "stdlib-search"', data)
    found = {where.partition(", ")[2]: what for where, what in faults(toml_file, text).items()}
    assert sentence in found[place], found


@pytest.mark.parametrize(
    ("kind", "task", "data"),
    [
        ("classification", 'labels = ["b", "a"]', 'file = "a.csv"\ncolumns = { label = "l" }'),
        ("classification", "", 'builtin = "stdlib-packages"'),
        ("token-classification", "", 'train = "a.conll"\ntest = "b.txt"'),
        ("token-classification", "", 'file = "a.jsonl"'),
        ("token-classification", "", 'builtin = "stdlib-parameters"'),
        ("regression", "", 'file = "a.parquet"\ncolumns = { value = "v" }'),
        ("image-classification", "image_size = [24, 32]", 'folder = "a.b"\nsplit = { test = 0.2 }'),
        ("image-classification", "", 'train = "a"\ntest = "b.csv"\ncolumns = { label = "l" }\nextra_images = "c"'),
        ("image-classification", "image_size = 32", 'builtin = "digits"'),
    ],
)
def test_each_kind_of_task_has_its_data(toml_file: Callable[[str], Path], kind: str, task: str, data: str) -> None:
    text = MINIMAL.replace('"embedding"', f'"{kind}"\n{task}').replace('builtin = "stdlib-search"', data)
    recipe = load_recipe(toml_file(text))
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    if "image_size" in task:
        assert recipe.task.image_size == ((32, 32) if "= 32" in task else (24, 32))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("", "found none"),
        ('folder = "a"\nrevision = "main"', "revision belongs to hub"),
        ('hub = "a/b/c"', "must have the form 'organisation/name'"),
        ('factory = "module"', "must have the form 'module:function'"),
        ('package = "module"', "must have the form 'package:subfolder'"),
    ],
)
def test_a_model_must_have_one_source_in_its_form(toml_file: Callable[[str], Path], model: str, sentence: str) -> None:
    (what,) = faults(toml_file, MINIMAL.replace('folder = "teacher"', model)).values()
    assert sentence in what


@pytest.mark.parametrize("layers", ["0", "[]", "[2, 1]", "[1, 1]", "[-1]", '"3"', "true", "2.0"])
def test_kept_layers_are_a_number_or_a_rising_list(toml_file: Callable[[str], Path], layers: str) -> None:
    found = faults(toml_file, f"{MINIMAL}[stages.prune]\nlayers = {layers}\n")
    assert list(found) == ["line 11, stages.prune.layers"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("speedup = 4\nlayers = [0, 2]", "takes speedup and a number of layers, the most that may stay"),
        ("speedup = 4\nheads = 6\nneurons = 384", "takes speedup or heads and neurons, not both: speedup chooses what"),
        ("speedup = 4\nwidth = 256\nhead_width = 16", "takes speedup or head_width and width, not both"),
        ("speedup = 4\nkeep_macs = 0.5", "takes speedup or keep_macs, not both"),
        ("keep_macs = 0.5\nneurons = 384", "takes keep_macs or neurons, not both: keep_macs stands in their place"),
        ("keep_macs = 0.5\nheads = 6", "takes keep_macs or heads, not both"),
    ],
)
def test_one_way_of_choosing_what_stays_excludes_the_others(
    toml_file: Callable[[str], Path], settings: str, sentence: str
) -> None:
    (what,) = faults(toml_file, f"{MINIMAL}[stages.prune]\n{settings}\n").values()
    assert sentence in what


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ('[stages.quantize]\nweights = "int4"\nscheme = "static-int8"', "not both: no runtime has kernels for it"),
        (
            '[stages.quantize]\nweights = "int4"\n[stages.export]\nruntimes = ["litert", "onnx", "tflite"]',
            "with the runtimes executorch and litert alone: onnx, tflite has no fast kernels for it",
        ),
        ('[stages.quantize]\nweights = "int4"\nscheme = "float16"', 'scheme = "float16", not both'),
        ('[stages.quantize]\nscheme = "float16"\nkeep_float = ["encoder.tokens"]', "without aware and keep_float"),
        (
            '[stages.quantize]\nscheme = "float16"\n[stages.export]\nruntimes = ["executorch", "tflite"]',
            "with the runtimes executorch and litert alone: tflite does not compute in it",
        ),
        ('[stages.export]\nbatch = 8\nruntimes = ["onnx"]', "takes batch = 8 with other runtimes than onnx"),
    ],
)
def test_number_formats_are_refused_where_nothing_runs_them_fast(
    toml_file: Callable[[str], Path], settings: str, sentence: str
) -> None:
    (what,) = faults(toml_file, f"{MINIMAL}{settings}\n").values()
    assert sentence in what


@pytest.mark.parametrize(
    ("settings", "layers", "neurons"),
    [
        ("heads = 6", 3, 384),
        ("speedup = 4", None, None),
        ("speedup = 4\nlayers = 3", 3, None),
        ("keep_macs = 0.5", None, None),
        ("keep_macs = 0.5\nlayers = 4\nwidth = 256", 4, None),
    ],
)
def test_sizes_have_defaults_only_where_nothing_else_chooses_them_and_read_back_the_same(
    toml_file: Callable[[str], Path], settings: str, layers: int | None, neurons: int | None
) -> None:
    recipe = load_recipe(toml_file(f"{MINIMAL}[stages.prune]\n{settings}\n"))
    assert (recipe.stages.prune.layers, recipe.stages.prune.neurons) == (layers, neurons)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe  # as in a manifest


def test_what_is_given_from_python_as_nothing_reads_back_as_nothing(toml_file: Callable[[str], Path]) -> None:
    values = load_recipe(toml_file(MINIMAL)).model_dump(exclude_unset=True)
    recipe = Recipe.model_validate({**values, "stages": {"prune": {"layers": None, "neurons": None}}})
    assert recipe.stages.prune.layers is recipe.stages.prune.neurons is None
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_a_last_lesson_is_as_the_first_but_for_what_it_says_and_of_whole_texts(
    toml_file: Callable[[str], Path],
) -> None:
    settings = (
        "[stages.prune]\nlayers = [0, 2]\n[stages.distill]\nepochs = 3\nminutes = 9\ntokens = 1000\nfresh = true\n"
        "pair_weight = 0.5\nintermediate_weight = 2\n{}"
    )
    without = load_recipe(toml_file(MINIMAL + settings.format(""))).stages.distill
    assert without.lessons == (without,)
    finish = "[stages.distill.finish]\ntrain_tokens = 500\nhidden_weight = 0\n"
    first, last = load_recipe(toml_file(MINIMAL + settings.format(finish))).stages.distill.lessons
    assert first == without
    changed = {"train_tokens": 500, "epochs": None, "minutes": None, "max_length": 512}
    changed |= {"tokens": None, "fresh": False, "hidden_weight": 0.0}
    assert last.model_dump() == without.model_dump() | changed


def test_a_last_lesson_says_how_long_it_is(toml_file: Callable[[str], Path]) -> None:
    found = faults(toml_file, MINIMAL + "[stages.distill.finish]\nlearning_rate = 1e-4\n")
    (what,) = found.values()
    assert "needs epochs or train_tokens, to know when to end" in what


def test_a_fresh_student_is_not_taught_in_steps(toml_file: Callable[[str], Path]) -> None:
    settings = "[stages.prune]\nsteps = 3\n[stages.distill]\nfresh = true\n"
    (what,) = faults(toml_file, f"{MINIMAL}{settings}").values()
    assert "takes distill.fresh or prune.steps = 3, not both" in what


def test_low_rank_goes_by_one_rule(toml_file: Callable[[str], Path]) -> None:
    settings = "energy = 0.9\nkeep_parameters = 0.5"
    (what,) = faults(toml_file, f"{MINIMAL}[stages.low_rank]\n{settings}\n").values()
    assert "takes energy or keep_parameters, not both" in what


@pytest.mark.parametrize(
    ("section", "setting", "sentence"),
    [
        ("vocabulary", "coverage = 1.5", "must be at most 1"),
        ("prune", "steps = 0", "must be at least 1"),
        ("prune", "speedup = 1", "must be more than 1"),
        ("prune", 'prices = "guess"', "'profile' or a target's address"),
        ("distill", "hidden_weight = -1", "must be at least 0"),
        ("distill", "temperature = 0", "must be more than 0"),
        ("distill", 'trackers = ["wandb", "wandb"]', "must name each once"),
        ("distill", 'trackers = ["wanb"]', "did you mean wandb?"),
    ],
)
def test_settings_of_compression_outside_their_range_are_told(
    toml_file: Callable[[str], Path], section: str, setting: str, sentence: str
) -> None:
    labelled = MINIMAL.replace("embedding", "classification").replace("stdlib-search", "stdlib-packages")
    ((place, what),) = faults(toml_file, f"{labelled}[stages.{section}]\n{setting}\n").items()
    assert place.startswith(f"line 11, stages.{section}.{setting.split()[0]}")
    assert sentence in what


def test_finetuning_an_embedding_is_refused_with_its_line(toml_file: Callable[[str], Path]) -> None:
    assert "line 10, stages.finetune" in faults(toml_file, MINIMAL + "[stages.finetune]\nepochs = 1\n")


def test_a_projection_of_what_is_no_embedding_is_refused_with_its_line(toml_file: Callable[[str], Path]) -> None:
    text = MINIMAL + "[stages.distill]\nprojection = true\n"
    assert load_recipe(toml_file(text)).stages.distill.projection
    found = faults(toml_file, text.replace('"embedding"', '"classification"').replace("search", "packages"))
    assert found == {
        "line 11, stages.distill.projection": "is for embedding; classification does not read it: its head has a "
        "matrix of its own"
    }


def test_a_syntax_fault_is_told_with_line_and_column(toml_file: Callable[[str], Path]) -> None:
    assert faults(toml_file, '[recipe]\nname = "x\n') == {"line 2, column 10": "is not TOML: Illegal character '\\n'"}
    (place,) = faults(toml_file, "[recipe]\nname = [1,")
    assert place.startswith("line 2")


def test_a_file_that_is_not_text_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"[recipe]\nname = '\xff'\n")
    with pytest.raises(InvalidFileError, match="line 2: is not UTF-8 text"):
        load_recipe(path)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean demo"):
        load_recipe("dmeo")


def test_a_missing_file_and_a_folder_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no recipe file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_recipe(tmp_path)


def test_a_built_in_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_recipe("demo").name == "demo"


def test_a_missing_package_says_what_to_install() -> None:
    assert find_spec("no_such_package_here") is None
    with pytest.raises(EnvironmentFaultError, match="pip install no-such-package-here"):
        ModelSource(package="no_such_package_here:model").package_folder()


def test_a_recipe_made_in_python_is_checked_as_a_whole() -> None:
    with pytest.raises(ValidationError, match="stdlib-search is for embedding"):
        Recipe.model_validate(
            {
                "recipe": {"name": "x"},
                "model": {"hub": "a/b"},
                "task": {"kind": "classification"},
                "data": Data(builtin="stdlib-search"),
            }
        )


def test_key_lines_see_through_strings_arrays_and_tables() -> None:
    text = '''a = 1
b.c = """
d = 2
"""
["x y".z]
e = [
  1,
]
[[f]]
g = 1
[[f]]
g = 2
'''
    assert key_lines(text) == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 2,
        ("x y",): 5,
        ("x y", "z"): 5,
        ("x y", "z", "e"): 6,
        ("f",): 9,
        ("f", 0): 9,
        ("f", 0, "g"): 10,
        ("f", 1): 11,
        ("f", 1, "g"): 12,
    }


@given(st.text(max_size=300))
def test_any_text_is_either_a_recipe_or_a_told_fault(text: str) -> None:
    with pytest.raises(InvalidFileError):
        read_toml(Source(name="any", text=text, folder=Path()), Recipe)


@given(
    st.dictionaries(
        st.sampled_from(["layers", "heads", "neurons", "importance", "enabled", "other"]),
        st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.lists(st.integers(), max_size=3)),
    )
)
def test_any_stage_settings_are_either_taken_or_told(values: dict[str, object]) -> None:
    told: tuple[tuple[str, str], ...] = ()
    try:
        prune = validated(Prune, values, file="any")
    except InvalidFileError as error:
        told = error.faults
    if told:
        assert all(place and what for place, what in told)
    else:
        assert prune.heads is None or prune.heads > 0


def test_showing_a_recipe_gives_its_own_text() -> None:
    assert find_recipe("demo").text.startswith("# Offline semantic search")


def test_a_separator_is_for_csv_files_in_whatever_case_their_suffix_is(toml_file: Callable[[str], Path]) -> None:
    labelled = MINIMAL.replace("embedding", "classification")
    own = labelled.replace('builtin = "stdlib-search"', 'columns = { label = "l" }\nseparator = ";"\nfile = "a.CSV"')
    assert load_recipe(toml_file(own)).data.separator == ";"
    assert faults(toml_file, own.replace("a.CSV", "a.jsonl")) == {
        "line 10, data.separator": "is that of .csv files, and no file of the recipe is one"
    }
    assert list(faults(toml_file, own.replace('";"', '"#"'))) == ["line 10, data.separator"]


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_pairs_of_texts_are_refused_by_name_for_a_model_of_one_text(
    toml_file: Callable[[str], Path], kind: str
) -> None:
    needed = {"classification": "label", "regression": "value"}[kind]
    columns = f'file = "a.csv"\ncolumns = {{ pair = "second", {needed} = "l" }}'
    text = MINIMAL.replace("embedding", kind).replace('builtin = "stdlib-search"', columns)
    (said,) = faults(toml_file, text).values()
    assert said.startswith(
        f"is for embedding: a model for {kind} is given one text, and pairs of texts are not supported"
    )
    assert "write both into one column" in said


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ('[stages.prune]\nprices = "local:"', "takes prices with speedup alone"),
        ('[stages.prune]\nspeedup = 2\nranking = "global"', "takes speedup without ranking"),
        ('[stages.prune]\nspeedup = 2\nimportance = "taylor"\nranking = "global"', "without importance and ranking"),
        ("[stages.low_rank]\ntoken_exponent = 0.5", "takes token_exponent with token_rank alone"),
        ('[stages.quantize]\nscheme = "float16"\nexamples = 64', 'scheme = "float16" without examples'),
        ("[stages.quantize]\nsensitivity = false\nmax_points_lost = 1", "takes max_points_lost with sensitivity alone"),
    ],
)
def test_settings_that_another_one_leaves_without_effect_are_refused(
    toml_file: Callable[[str], Path], settings: str, sentence: str
) -> None:
    (said,) = faults(toml_file, f"{MINIMAL}{settings}\n").values()
    assert sentence in said


@pytest.mark.parametrize("package", ["os:../../x", "os:/etc", "os:a/../../b", "os:..", "os:a//b", "os:a/."])
def test_a_folder_outside_of_a_package_is_refused(toml_file: Callable[[str], Path], package: str) -> None:
    text = MINIMAL.replace('folder = "teacher"', f'package = "{package}"')
    (what,) = faults(toml_file, text).values()
    assert what.startswith("must have the form 'package:subfolder', a folder inside the package, not ")


def test_numbers_that_no_setting_has_are_told_with_their_lines(toml_file: Callable[[str], Path]) -> None:
    for number, said in (("9" * 400, "must be a number, not 999"), ("inf", "must be a finite number")):
        found = faults(toml_file, f"{MINIMAL}[budget]\nlatency_ms = {number}\n")
        assert list(found) == ["line 11, budget.latency_ms"]
        assert said in found["line 11, budget.latency_ms"]
    found = faults(toml_file, f"{MINIMAL}[budget]\nlatency_ms = {'9' * 5000}\n")
    assert "is not TOML: exceeds the limit" in next(iter(found.values()))


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("image-classification", 'folder = "pictures"\ncolumns = { label = "l" }', "a folder of images has none"),
        ("image-classification", 'train = "a"\ntest = "b"\ncolumns = { image = "i" }', "a folder of images has none"),
        (
            "token-classification",
            'file = "a.conll"\ncolumns = { tags = "t" }',
            "a file of words and tags a line has none",
        ),
    ],
)
def test_columns_of_what_has_none_are_refused(
    toml_file: Callable[[str], Path], kind: str, data: str, said: str
) -> None:
    text = MINIMAL.replace("embedding", kind).replace('builtin = "stdlib-search"', data)
    assert said in faults(toml_file, text)[next(iter(faults(toml_file, text)))]
    tables = text.replace('"pictures"', '"p.csv"').replace('folder = "p', 'file = "p')
    for name in ("a", "b"):
        tables = tables.replace(f'"{name}"', f'"{name}.csv"')
    assert load_recipe(toml_file(tables.replace("a.conll", "a.jsonl"))).data.columns
