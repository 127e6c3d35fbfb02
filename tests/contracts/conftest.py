"""Every model of the registry, fitted once, and a process that loads what was saved."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_limits

from regimecast.core.types import Forecast
from regimecast.data.datamodule import FinancialDataModule
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.training.report import FitReport
from tests.contracts.builders import CASES, Case, build_data, quick_trainer

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Fitted:
    """A trained model and what it says; contracts share it and leave it as it is."""

    case: Case
    data: FinancialDataModule
    model: BaseTimeSeriesModel
    report: FitReport

    @cached_property
    def test(self) -> Forecast:
        return self.model.predict(self.data, "test")

    @cached_property
    def all(self) -> Forecast:
        return self.model.predict(self.data, "all")


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
    case: Case = request.param
    data = build_data(case.task)
    torch.set_num_threads(1)
    model = case.make()
    return Fitted(case, data, model, model.fit(data, quick_trainer()))


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
