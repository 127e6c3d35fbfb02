"""Every model of the registry, fitted once, and a process that loads what was saved."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_limits

from tests.contracts.builders import CASES, Case
from tests.contracts.fitting import Fitted, fit

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """Matrices this small lose time to threads."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """The same for networks, before each test: labelling barriers sets torch's threads anew."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=CASES, ids=str)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    """Of every model and task; fitted once in a process, whichever contracts share it."""
    return fit(request.param)


@pytest.fixture(scope="session")
def reload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Case, Path], str]]:
    """Hash of the test forecast of a saved model, made by one other process for all of them."""
    errors = tmp_path_factory.mktemp("reloader") / "stderr.txt"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.reloader"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            bufsize=1,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin, process.stdout

        def ask(case: Case, folder: Path) -> str:
            into.write(f"{case.task}\t{folder}\n")
            answer = out.readline().strip()
            assert answer, errors.read_text()
            return answer

        yield ask
        into.close()
