import pytest

from regimecast.labels.incremental.layout import PIECE, SEAL, closed_pieces, n_staying


@pytest.mark.parametrize("finished", [-60, 0, SEAL - 1])
def test_few_rows_stay_open(finished):
    assert closed_pieces(finished) == []
    assert n_staying([PIECE, SEAL, 10], 2, finished) == 2


@pytest.mark.parametrize("finished", [SEAL, PIECE, PIECE + 1, 5 * PIECE - 3])
def test_pieces_follow_each_other_and_are_not_too_long(finished):
    pieces = closed_pieces(finished)
    assert [start for start, _ in pieces] == [0, *(end for _, end in pieces[:-1])]
    assert pieces[-1][1] == finished
    assert max(end - start for start, end in pieces) <= PIECE


def test_closed_files_that_are_not_larger_join():
    assert n_staying([PIECE, 3 * SEAL, SEAL, 100], 3, SEAL) == 2
    assert n_staying([4 * SEAL, 2 * SEAL, SEAL, 100], 3, SEAL) == 0  # each sum meets its like
    assert n_staying([PIECE, 100], 1, PIECE) == 1  # never longer than a piece
    assert n_staying([], 0, SEAL) == 0
