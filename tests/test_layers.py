"""Imports point one way, a method is named in its own file, files and functions are small."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "unidad").rglob("*.py"))
LAYERS = (
    ("__init__", "errors", "files", "locks", "shipped", "provenance", "plugins", "style", "timing"),
    ("config",),
    ("diffusion", "losses", "pairwise_losses", "data"),
    ("features", "networks"),
    ("pipeline", "sampling", "prompt_sampling", "models"),
    ("methods",),
    ("training",),
    ("tasks",),
    ("experiment",),
    ("plan",),
    ("findings",),
    ("doctor", "estimate", "rates", "report"),
    ("adapt",),
    ("watch",),
    ("cli",),
    ("__main__",),
)
"""Each imports from those above it, and from its own."""
ALLOWED = {
    name: {below for layer in LAYERS[: place + 1] for below in layer}
    for place, layer in enumerate(LAYERS)
    for name in layer
}
ALLOWED["metrics"] = {"metrics", "errors", "data"}
ALLOWED["synthetic"] = ALLOWED["training"] | {"synthetic", "metrics"}
for user in ("tasks", "experiment", "cli"):
    ALLOWED[user] |= {"synthetic", "metrics"}
for user in ("report", "adapt", "models"):
    ALLOWED[user] |= {"metrics"}
PROTOCOLS = (
    "unidad.features.protocols",
    "unidad.report.views",
    "unidad.experiment.personalisation",
)
LINES, FUNCTION_LINES = 400, 60
WRITTEN = ["Makefile", "Snakefile"] + [
    str(path.relative_to(ROOT))
    for name in ("unidad", "tests", "benchmarks", "workflow", "profiles")
    for path in sorted((ROOT / name).rglob("*"))
    if path.suffix in {".py", ".smk", ".js", ".css", ".html", ".sh"}
]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Modules of the package that are imported, inside functions, too, but not for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imports(node)


def part(module: str) -> str:
    """`unidad.methods.base` belongs to `methods`, the package's own file to `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


TREES = {module_of(path): ast.parse(path.read_text()) for path in FILES}
IMPORTED = {
    module: {name if name in TREES else name.rpartition(".")[0] for name in imports(tree)}
    & {*TREES}
    for module, tree in TREES.items()
}


METHODS = {
    key.value
    for node in ast.walk(TREES["unidad.methods"])
    if isinstance(node, ast.Dict)
    for key in node.keys
}


@pytest.mark.parametrize("module", TREES)
def test_imports_point_one_way(module):
    found = {part(name) for name in IMPORTED[module]}
    assert found <= ALLOWED[part(module)], "imports what lies above it"


def test_no_module_imports_itself_through_others():
    TopologicalSorter(IMPORTED).prepare()


@pytest.mark.parametrize("module", TREES)
def test_nothing_outside_methods_names_a_method(module):
    """Neither by its key in the registry nor by its file. Two keys have a second meaning: this
    package, and the protocols of two papers."""
    if part(module) == "methods":
        return
    text = {node.value for node in ast.walk(TREES[module]) if isinstance(node, ast.Constant)}
    names = METHODS - {"unidad"}
    if module in PROTOCOLS:
        names -= {"echodistill"}
    assert not text & names
    files = {name for name in IMPORTED[module] if name.startswith("unidad.methods.")}
    assert files <= {"unidad.methods.base", "unidad.methods.specs"}


@pytest.mark.parametrize("path", WRITTEN)
def test_files_and_functions_are_small(path):
    text = (ROOT / path).read_text()
    assert len(text.splitlines()) <= LINES
    if not path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{node.name} has {length} lines"
