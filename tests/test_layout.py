"""The house stands as CONTRIBUTING.md draws it: the core knows no app, an app only those before it, no circles."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
FILES = sorted((SRC / "wildsr").rglob("*.py"))
# Each part imports those before it, never those behind it. A name covers what is below it, unless that is named, too.
CORE = (
    "wildsr",  # the version, and what it lends
    "wildsr.io",
    "wildsr.checks",
    "wildsr.locking",
    "wildsr.memory",
    "wildsr.images",
    "wildsr.scores",
    "wildsr.labels",
    "wildsr.degradation",
    "wildsr.networks",
    "wildsr.losses",
    "wildsr.metrics",
    "wildsr.data",
    "wildsr.training",
    "wildsr.overrides",
    "wildsr.config",
    "wildsr.building",
    "wildsr.stage",
    "wildsr.preflight",
    "wildsr.train",
    "wildsr.search",
)
APPS = (
    "wildsr.apps",
    "wildsr.apps.common",
    "wildsr.apps.train",
    "wildsr.apps.upscale",
    "wildsr.apps.evaluate",
    "wildsr.apps.report",
    "wildsr.apps.dashboard",
    "wildsr.apps.export",
    "wildsr.apps.preview",
    "wildsr.apps.degrade",
    "wildsr.apps.prepare",
    "wildsr.apps.doctor",
    "wildsr.apps.demo",
    "wildsr.apps.match",
    "wildsr.cli",
)
ORDER = (*CORE, *APPS)
# The one name that `wildsr` lends from an app, imported inside the function that Python asks for it: no core file sees
# it, and `import wildsr` loads nothing. What a type checker reads is never run.
LENT = {"wildsr": "wildsr.apps.upscale.arrays"}
WITHOUT_FRAMEWORK = ("wildsr.degradation", "wildsr.networks", "wildsr.losses", "wildsr.metrics")


def module_of(file: Path) -> str:
    parts = file.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The longest name of ORDER that a module begins with."""
    return max((name for name in ORDER if module == name or module.startswith(f"{name}.")), key=len)


def imports_of(file: Path) -> set[str]:
    """Modules that a file imports, inside functions too, `from package import file` included."""
    modules = {module_of(other) for other in FILES}
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & modules) or {str(node.module)}
    return found


def ours(file: Path) -> set[str]:
    return {name for name in imports_of(file) if name.split(".")[0] == "wildsr"}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_file_imports_its_own_part_or_one_before_it(file):
    module = module_of(file)
    for other in ours(file) - {LENT.get(module)}:
        place, others = ORDER.index(part_of(module)), ORDER.index(part_of(other))
        assert others <= place, f"{module} imports {other}"


def test_what_the_package_lends_from_an_app_is_imported_only_when_it_is_asked_for():
    for module, app in LENT.items():
        top = ast.parse((SRC / module / "__init__.py").read_text(encoding="utf-8")).body
        run = [node for node in top if not isinstance(node, ast.If) or ast.unparse(node.test) != "TYPE_CHECKING"]
        imported = {node.module for node in run if isinstance(node, ast.ImportFrom)}
        assert imported == {"typing"} and not any(isinstance(node, ast.Import) for node in run)
        users = {module_of(file) for file in FILES if app in ours(file)}
        assert users == {module}


@pytest.mark.parametrize("part", WITHOUT_FRAMEWORK)
def test_the_parts_of_the_method_know_neither_lightning_nor_hydra(part):
    for file in FILES:
        if part_of(module_of(file)) == part:
            found = {name.split(".")[0] for name in imports_of(file)}
            assert not found & {"lightning", "hydra", "omegaconf"}, module_of(file)


def test_no_file_imports_itself_through_others():
    edges = {
        module_of(file): {name for name in ours(file) if file.name != "__init__.py" and name != module_of(file)}
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
        functions = {
            node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        }
        # The program itself is wildsr.train, as the command is.
        assert file.stem not in functions or module_of(file) == "wildsr.train", file


def test_the_order_names_only_what_exists():
    modules = {module_of(file) for file in FILES}
    assert set(ORDER) <= modules


def test_files_of_text_are_utf8_whatever_the_system_prefers():
    # Windows would read what Linux wrote, and what `write_whole` writes, in its own code page.
    for file in FILES:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("read_text", "write_text"):
                given = {ast.unparse(argument) for argument in call.args} | {word.arg for word in call.keywords}
                assert given & {"encoding", "'utf-8'"}, f"{file}:{call.lineno}"
