"""Loads saved models in another process: a task and a folder in, a hash of the forecast out."""

import sys
from functools import cache
from pathlib import Path

import torch

from regimecast.core.hashing import hash_array
from regimecast.core.types import Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.models.base import load_model
from tests.contracts.builders import build_data


@cache
def data_of(task: str) -> FinancialDataModule:
    data = build_data(Task(task))
    data.split("test")
    return data


def main() -> None:
    for line in sys.stdin:
        task, folder = line.rstrip("\n").split("\t")
        data = data_of(task)
        torch.set_num_threads(1)
        model = load_model(Path(folder), spec=data.spec)
        print(hash_array(model.predict(data, "test").values), flush=True)


if __name__ == "__main__":
    main()
