"""Scripts of studies and benchmarks import what there is."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "experiments").rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_script_imports_is_there(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("regimecast"):
            module = import_module(node.module)
            names = [alias.name for alias in node.names]
            missing = [name for name in names if not _holds(module, name)]
            assert not missing, f"{node.module} has no {missing}"


def _holds(module, name):
    """Whether a module has the name, or is a package with a module of it."""
    return hasattr(module, name) or (
        hasattr(module, "__path__") and find_spec(f"{module.__name__}.{name}") is not None
    )
