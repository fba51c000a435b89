"""Private names of other packages stand in one module."""

import ast
from pathlib import Path

import resumable_data as rd

PACKAGE = Path(rd.__file__).parent
PRIVATE = (
    "_indices",
    "_ex_iterable",
    "_formatting",
    "_processes",
    "_register_atexit",
    "JaxRuntimeError",
    "get_jax_distributed_client",
)


def private_names(file: Path) -> set[str]:
    """What a module imports from private modules of others, and which of their private attributes it reads."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and "._src" in (node.module or ""):
            found.add(node.module or "")
        is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE and not is_own:
            found.add(node.attr)
    return found


def test_private_names_of_other_packages_stand_in_compat_alone() -> None:
    found = {file.relative_to(PACKAGE).as_posix(): private_names(file) for file in PACKAGE.rglob("*.py")}

    assert found.pop("compat.py") >= {"_indices", "_ex_iterable", "JaxRuntimeError"}
    assert {file: names for file, names in found.items() if names} == {}


def test_few_types_are_left_open() -> None:
    trees = [ast.parse(file.read_text()) for file in PACKAGE.rglob("*.py")]
    names = [node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)]

    assert 0 < names.count("Any") <= 200
