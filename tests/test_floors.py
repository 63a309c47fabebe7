"""The floors hold: a file imports from lower floors, or from its own folder without circles."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
FLOORS = {
    "wildsr.rules": -1,  # the cellar: needs nothing of ours, serves every floor
    "wildsr": 0,  # __init__.py: the version
    "wildsr.degradation.recipe": 0,
    "wildsr.images": 0,
    "wildsr.locking": 0,
    "wildsr.sheets": 0,
    "wildsr.degradation.spec": 1,
    "wildsr.degradation.kernels": 1,
    "wildsr.degradation.ops": 1,
    "wildsr.degradation.libjpeg": 1,
    "wildsr.networks": 1,
    "wildsr.degradation.pipeline": 2,
    "wildsr.degradation": 2,  # the package hands on what its highest file holds
    "wildsr.data": 2,
    "wildsr.graphs": 2,
    "wildsr.losses": 2,
    "wildsr.metrics": 2,
    "wildsr.config": 2,
    "wildsr.export": 3,
    "wildsr.upscale.memory": 2,
    "wildsr.upscale.tiles": 2,  # validation needs it, too
    "wildsr.upscale.eager": 2,
    "wildsr.preparation": 3,
    "wildsr.previews": 3,
    "wildsr.reports": 3,
    "wildsr.search": 3,
    "wildsr.training": 3,
    "wildsr.upscale": 3,
    "wildsr.run": 4,
    "wildsr.doctor": 4,
    "wildsr.cli": 4,
    "wildsr.demo": 4,
    "wildsr.commands": 5,
}
FILES = sorted((SRC / "wildsr").rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> int:
    """The floor of the longest name in the table that the module begins with."""
    names = [name for name in FLOORS if module == name or module.startswith(f"{name}.")]
    return FLOORS[max(names, key=len)]


def imports_of(file: Path) -> set[str]:
    """Modules of ours that a file imports, `from package import file` included."""
    modules = {module_of(other) for other in FILES}
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & modules) or {str(node.module)}
    return {name for name in found if name.split(".")[0] == "wildsr"}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_file_imports_from_lower_floors_or_its_own_folder(file):
    module = module_of(file)
    folder = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for other in imports_of(file):
        # Files in src/wildsr itself stand on floors of their own.
        own_folder = folder != "wildsr" and other.rpartition(".")[0] == folder
        assert floor_of(other) < floor_of(module) or own_folder, f"{module} imports {other}"


def test_no_file_imports_itself_through_others():
    edges = {
        module_of(file): {name for name in imports_of(file) if file.name != "__init__.py" and name != module_of(file)}
        for file in FILES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for other in edges.get(name, ()):
                visit(other, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_no_file_bears_the_name_of_a_function_it_exports():
    for file in FILES:
        functions = {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert file.stem not in functions, file


def test_the_table_names_only_what_exists():
    modules = {module_of(file) for file in FILES}
    assert set(FLOORS) <= modules
