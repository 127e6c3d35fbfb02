"""Threads of torch and BLAS: set for a block, shared by processes, put back."""

import pytest
import torch

from regimecast.core.errors import ConfigError
from regimecast.tracking.manifest import environment
from regimecast.training import threads
from regimecast.training.threads import share_of_threads, share_threads, threads_like, threads_set


def test_threads_are_set_and_put_back():
    before = torch.get_num_threads()
    with threads_set(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("own", "cores", "taken"), [(64, 2, 2), (2, 64, 2), (1, 8, 1)])
def test_null_is_torchs_own_number_within_the_cores(monkeypatch, own, cores, taken):
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    with threads_set(own):
        with threads_set(None):
            assert torch.get_num_threads() == taken
        assert share_of_threads(2) == max(1, taken // 2)


def test_blas_is_set_and_put_back():
    with threads_like({"torch": 1, "blas": 2}):
        with threads_set(1):
            assert environment()["threads"] == {"torch": 1, "blas": 2}
        with threads_set(1, blas=3):
            assert environment()["threads"] == {"torch": 1, "blas": 3}
        assert environment()["threads"]["blas"] == 2


@pytest.mark.parametrize(
    ("sharing", "given", "taken"), [(1, None, (6, 4)), (2, None, (3, 2)), (3, 5, (5, 5))]
)
def test_processes_share_the_threads_of_torch_and_blas(monkeypatch, sharing, given, taken):
    monkeypatch.setattr(threads, "usable_cores", lambda: 6)
    with threads_like({"torch": 8, "blas": 4}):
        share_threads(sharing, given)
        assert environment()["threads"] == {"torch": taken[0], "blas": taken[1]}


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "2"])
def test_what_is_no_number_of_threads_is_refused(value):
    with pytest.raises(ConfigError, match=r"threads=.*at least 1, or null"):
        threads.check_threads(value)
