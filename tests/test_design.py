"""The rooms of the house: what each file may import, held by reading the files."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ROOMS = (  # from the scripts down to the ground: a file imports only from files below its own line
    "trainer",
    "predict",
    "prepare_sleepedf",
    "prepare_isruc",
    "prepare_ucddb",
    "simulate",
    "export",
    "plots",
    "staging",
    "checkpoint",
    "published",
    "model",
    "nn",
    "prepare_common",
    "hypnogram",
    "recording",
    "sleepstats",
    "metrics",
    "data",
    "config",
    "channels",
    "command",
    "sleepstage",
)
SCRIPTS = {"trainer", "predict", "prepare_sleepedf", "prepare_isruc", "prepare_ucddb", "simulate"}
MAY_IMPORT_TENSORFLOW = {"trainer", "predict", "checkpoint", "model", "nn"}
WAIT_FOR_TENSORFLOW = {"model", "nn"}  # the only files that need it for as much as being imported
LONGEST_FUNCTION = 40  # lines, its docstring aside

FILES = {path.stem: path for path in sorted(ROOT.glob("*.py"))}


def syntax(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level name of everything that is imported anywhere below `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the program is no package: nothing to import relatively"
            yield (node.module or "").partition(".")[0]


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """Yield what importing the module imports: neither inside functions nor for type checkers only."""
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imported(node)


def too_long(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = node.body[0] if ast.get_docstring(node) is not None else None
            unread = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
            lines = node.end_lineno - node.lineno + 1 - unread
            if lines > LONGEST_FUNCTION:
                yield f"{node.name}, line {node.lineno}: {lines} lines"


def test_every_file_has_its_room():
    assert set(FILES) <= set(ROOMS), "a new file belongs into the table of rooms"


def test_the_data_folder_does_not_hide_the_data_module():
    assert not (ROOT / "data" / "__init__.py").exists()


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_only_from_files_below_it(name):
    above = ROOMS[: ROOMS.index(name) + 1]
    assert not set(imported(syntax(name))) & set(above)


@pytest.mark.parametrize("name", FILES)
def test_nothing_imports_a_script(name):
    assert not set(imported(syntax(name))) & SCRIPTS


@pytest.mark.parametrize("name", sorted(FILES.keys() - MAY_IMPORT_TENSORFLOW))
def test_preparation_and_scores_never_import_tensorflow(name):
    assert not set(imported(syntax(name))) & {"tensorflow", "keras"}


@pytest.mark.parametrize("name", sorted(FILES.keys() - WAIT_FOR_TENSORFLOW))
def test_arguments_are_checked_before_tensorflow_is_imported(name):
    assert not set(imported_at_once(syntax(name))) & {"tensorflow", "keras", *WAIT_FOR_TENSORFLOW}


@pytest.mark.parametrize("name", ["config", "command", "sleepstage"])
def test_settings_need_nothing_but_python(name):
    assert set(imported(syntax(name))) <= sys.stdlib_module_names | FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_functions_can_be_read_at_a_glance(name):
    assert list(too_long(syntax(name))) == []
