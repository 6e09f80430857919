"""The plan of the house: which rooms there are, and what each may import, held by reading the files."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

COMMANDS = {
    *("prepare", "prepare_sleepedf", "prepare_isruc", "prepare_ucddb", "simulate"),
    *("trainer", "predict", "convert", "evaluate", "live", "review"),
}
BY_ALL = ("files", "engine")  # folders that every file may import, as those of the root
FOLDERS = ("recordings", "folds", "scoring", "training", "streaming", "reviewing", "evaluation")
"""In this order: a folder imports none of those behind it."""
LEAVES = {"simulating", "streaming", "reviewing", "evaluation"}  # imported by commands alone

NEED_TENSORFLOW = {"model", "nn", "training.normalisation", "training.steps"}
"""The only files that import it as they are imported."""

MAY_IMPORT_MODEL = {
    "training.fold",
    "training.one_by_one",
    "convert",
    "scoring.networks",
    "folds.history",
}
IMPORTS_TENSORFLOW = "engine.device"  # where everybody else's TensorFlow comes from
NO_TENSORFLOW = {"tensorflow", "keras"}

LONGEST_FUNCTION = 40  # lines, its docstring aside


def rooms() -> dict[str, Path]:
    """Return every file of the program by its name as a module; a folder's `__init__` by that of the folder."""
    folders = [ROOT, *(path.parent for path in ROOT.glob("*/__init__.py"))]
    paths = [
        path for folder in folders for path in sorted(folder.rglob("*.py") if folder != ROOT else ROOT.glob("*.py"))
    ]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


ROOMS = rooms()


@cache
def syntax(room: str) -> ast.Module:
    return ast.parse(ROOMS[room].read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything that is imported anywhere below `tree`, through importlib too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports say the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            name = node.args[0]
            assert isinstance(name, ast.Constant), "what is imported by a computed name cannot be checked"
            yield str(name.value)


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def own(names: Iterator[str]) -> set[str]:
    """Return the rooms among imported names; `folds.run.Run` is in folds.run."""
    return {room for name in names if (room := room_of(name))}


def room_of(name: str) -> str | None:
    while name and name not in ROOMS:
        name = name.rpartition(".")[0]
    return name or None


def outside(names: Iterator[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """Yield what importing the module imports: neither inside functions nor for type checkers only."""
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imported(node)


def too_long(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = node.body[0] if ast.get_docstring(node) is not None else None
            unread = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
            lines = (node.end_lineno or 0) - node.lineno + 1 - unread
            if lines > LONGEST_FUNCTION:
                yield f"{node.name}, line {node.lineno}: {lines} lines"


def without_docstring(tree: ast.Module) -> Iterator[str]:
    """Yield the public classes, and the public functions of nine lines and more, that do not say what they are."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            long = isinstance(node, ast.ClassDef) or (node.end_lineno or 0) - node.lineno >= 9
            if long and ast.get_docstring(node) is None and node.name not in ("main", "parser"):
                yield f"{node.name}, line {node.lineno}"


READING = {
    *("read_text", "read_bytes", "read_edf", "read_bdf", "get_data"),
    *("np.load", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.memmap", "np.lib.format.read_array"),
    *("json.load", "json.loads", "csv.reader", "csv.DictReader", "zipfile.ZipFile", "pd.read_csv"),
    *("tf.train.load_checkpoint", "ElementTree.parse", "ElementTree.iterparse", "ElementTree.fromstring"),
}
"""What reads a user's file, in this program or in a library, apart from `open`: methods, and functions by full name."""

WRITES = {"w", "wb", "a", "ab", "x", "xb", "r+"}  # how the modes begin that do not read

GUARDS = {"readable", "opened_arrays"}  # what turns the errors of reading into the user's


def unguarded(tree: ast.AST, guarded: bool = False) -> Iterator[str]:
    """Yield the calls that read a file, and stand neither in a reader nor in a block of `readable`."""
    for node in ast.iter_child_nodes(tree):
        inside = guarded
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            calls = [one for one in node.decorator_list if isinstance(one, ast.Call)]
            inside = guarded or any(called(one) == "reader" for one in calls)
            yield from unguarded(ast.Module(node.body, []), inside)
            continue
        if isinstance(node, ast.With):
            inside = guarded or any(
                isinstance(item.context_expr, ast.Call) and called(item.context_expr) in GUARDS for item in node.items
            )
        if isinstance(node, ast.Call) and not guarded and reads(node):
            yield ast.unparse(node.func).removeprefix("path.").removeprefix("self.archive.")
        yield from unguarded(node, inside)


def reads(node: ast.Call) -> bool:
    modes = [*node.args, *(one.value for one in node.keywords if one.arg == "mode")]
    if any(isinstance(one, ast.Constant) and str(one.value)[:2] in WRITES for one in modes):
        return False
    return bool({called(node), ast.unparse(node.func)} & (READING | {"open"}))


READS_FOR_A_READER = {
    "files.locks": {"MOUNTS.read_text"},  # the list of file systems, which is the machine's and no user's
    "files.arrays": {"open", "np.lib.format.read_array"},  # ArrayFile, which only `opened_arrays` makes
    "folds.run": {"json.loads"},  # what it has just written
    "recordings.recording": {"one.path.open"},  # `changed_files` says it when a file is gone
}


@pytest.mark.parametrize("room", ROOMS)
def test_what_goes_wrong_in_reading_a_file_is_the_users_error(room):
    assert set(unguarded(syntax(room))) - READS_FOR_A_READER.get(room, set()) == set()


def test_the_data_folder_does_not_hide_the_data_module():
    assert not (ROOT / "data" / "__init__.py").exists()


def test_no_file_imports_itself_by_a_detour():
    arrows = {room: own(imported(syntax(room))) - {room} for room in ROOMS}
    assert graphlib_order(arrows)


def graphlib_order(arrows: Mapping[str, set[str]]) -> list[str]:
    """Return the rooms so that each stands behind all that it imports; raise CycleError where that cannot be."""
    return list(TopologicalSorter(arrows).static_order())


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_between_folders_run_one_way(room):
    own_folder = room.partition(".")[0] if "." in room or room in (*FOLDERS, *BY_ALL, *LEAVES) else ""
    folders = {other.partition(".")[0] for other in own(imported(syntax(room)))} & {*FOLDERS, *LEAVES} - {own_folder}
    if own_folder in FOLDERS:
        assert not folders & LEAVES and all(FOLDERS.index(one) < FOLDERS.index(own_folder) for one in folders)
    elif own_folder in LEAVES:
        assert not folders & LEAVES
    elif room not in COMMANDS:
        assert not folders


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_imports_a_command(room):
    assert not own(imported(syntax(room))) & COMMANDS


@pytest.mark.parametrize("room", sorted(ROOMS.keys() - NEED_TENSORFLOW - {IMPORTS_TENSORFLOW}))
def test_tensorflow_comes_from_one_place(room):
    assert not outside(imported(syntax(room))) & NO_TENSORFLOW


@pytest.mark.parametrize("room", sorted(ROOMS.keys() - NEED_TENSORFLOW))
def test_arguments_are_checked_before_tensorflow_is_imported(room):
    assert not outside(imported_at_once(syntax(room))) & NO_TENSORFLOW
    assert not own(imported_at_once(syntax(room))) & NEED_TENSORFLOW


@pytest.mark.parametrize("room", sorted(ROOMS.keys() - NEED_TENSORFLOW - MAY_IMPORT_MODEL))
def test_what_needs_no_network_never_imports_it(room):
    assert not own(imported(syntax(room))) & NEED_TENSORFLOW


@pytest.mark.parametrize("room", ["config", "command", "sleepstage", "version", "files.limits", "files.forms"])
def test_settings_need_nothing_but_python(room):
    assert outside(imported(syntax(room))) <= sys.stdlib_module_names | ROOMS.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_functions_can_be_read_at_a_glance(room):
    assert list(too_long(syntax(room))) == []


@pytest.mark.parametrize("room", ROOMS)
def test_public_classes_and_longer_functions_say_what_they_are(room):
    assert list(without_docstring(syntax(room))) == []


def test_the_rules_see_what_they_forbid():
    source = "import importlib\nfrom folds import run\ndef f():\n    importlib.import_module('tensorflow.keras')\n"
    found = set(imported(ast.parse(source)))
    assert "tensorflow.keras" in found and own(iter(found)) >= {"folds.run"}
    careless = "def f(path):\n    with path.open() as file:\n        return json.load(file)\n"
    assert list(unguarded(ast.parse(careless))) == ["open", "json.load"]
    assert list(unguarded(ast.parse(f"@reader('readable', 'copy it again')\n{careless}"))) == []
    assert list(unguarded(ast.parse(careless.replace("with ", "with readable(path, '', ''), ")))) == []
    assert list(too_long(ast.parse("def long():\n" + "    x = 1\n" * 41))) == ["long, line 1: 42 lines"]
