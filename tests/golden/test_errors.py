"""Every mistake in a design is answered with file:line:column and what to
write instead: design_errors/NAME.py has one, design_errors/NAME.err the answer.

run_errors/ has mistakes that CPython meets when a design runs as it is.
"""

import ast
import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.frontend import method
from poolproof.checker.frontend.design import compile_design
from poolproof.model.language import Disabled, ModelError

HERE = Path(__file__).parent
STATIC = sorted((HERE / "design_errors").glob("*.py"))
AT_RUN = sorted((HERE / "run_errors").glob("*.py"))


def load(path: Path) -> ModuleType:
    name = f"{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", STATIC, ids=lambda p: p.stem)
def test_refused(path: Path) -> None:
    module = load(path)
    with pytest.raises(UserError) as caught:
        compile_design(module.Wrong, **getattr(module, "CALL", {}))
    span = caught.value.span
    assert span is not None and Path(span.file).resolve() == path
    shown = f"{path.name}:{span.line}:{span.column}: {caught.value.message}\n"
    assert shown == path.with_suffix(".err").read_text()


@pytest.mark.parametrize("path", AT_RUN, ids=lambda p: p.stem)
def test_refused_at_run(path: Path) -> None:
    module = load(path)
    before = module.design.dump()
    with pytest.raises((ModelError, Disabled, AssertionError)) as caught:
        module.run()
    shown = f"{type(caught.value).__name__}: {caught.value}".strip() + "\n"
    assert shown == path.with_suffix(".err").read_text()
    assert module.design.dump() == before


def test_each_file_has_an_answer() -> None:
    assert len(STATIC) >= 45
    for path in (*STATIC, *AT_RUN):
        assert path.with_suffix(".err").exists(), path
    answers = {
        p for d in ("design_errors", "run_errors") for p in (HERE / d).glob("*.err")
    }
    assert {p.with_suffix(".py") for p in answers} == {*STATIC, *AT_RUN}


def test_every_refusal_is_tried() -> None:
    """Each row of the frontend's table of refused syntax has a file."""
    answers = {
        p.read_text().split(": ", 1)[1].strip()
        for p in (HERE / "design_errors").glob("*.err")
    }
    for kind, message in method._REFUSED.items():
        assert message in answers, kind
    met = {
        type(node) for path in STATIC for node in ast.walk(ast.parse(path.read_text()))
    }
    assert set(method._REFUSED) <= met
