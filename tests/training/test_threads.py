"""Threads of torch: set for a block, shared by processes, put back."""

import pytest
import torch

from regimecast.core.errors import ConfigError
from regimecast.training import threads
from regimecast.training.threads import share_of_threads, threads_set


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


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "2"])
def test_what_is_no_number_of_threads_is_refused(value):
    with pytest.raises(ConfigError, match=r"threads=.*at least 1, or null"):
        threads.check_threads(value)
