"""House rules that keep the parts apart, read off the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "analysis").rglob("*.py"))

# The way data flows; a module imports from those before it, never from those after.
ORDER = (
    "errors", "progress", "cache", "files", "plan", "models", "speech", "clustering",
    "compression", "evaluation", "delivery", "training", "figures", "cli",
)  # fmt: skip


def imports(path: Path) -> set[str]:
    """Dotted names of the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            assert node.module is not None
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_when_loaded(path: Path) -> set[str]:
    """As `imports`, without what stands under TYPE_CHECKING or inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_knows_no_interface(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & {"streamlit", "pages", "app", "demo", "tests", "benchmarks"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_loads_pickles_or_foreign_code(path: Path) -> None:
    assert not imports(path) & {"pickle", "joblib", "dill", "cloudpickle"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr == "load":
            assert not (isinstance(node.value, ast.Name) and node.value.id == "torch"), "torch.load"
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle"):
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False


def test_imports_follow_the_flow_of_data() -> None:
    for position, name in enumerate(ORDER):
        path = ROOT / "analysis" / f"{name}.py"
        files = [path] if path.is_file() else sorted((ROOT / "analysis" / name).rglob("*.py"))
        assert files, name
        later = {f"analysis.{after}" for after in ORDER[position + 1 :]}
        for file in files:
            found = {".".join(module.split(".")[:2]) for module in imported_when_loaded(file)}
            assert not found & later, f"{file} imports what follows it"
