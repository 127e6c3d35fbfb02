"""Places become int32 where they fit, and only there."""

import numpy as np

from regimecast.core.places import narrow


def test_the_same_numbers():
    largest = np.iinfo(np.int32).max
    places = np.array([-1, 0, largest])
    assert narrow(places).dtype == np.int32
    np.testing.assert_array_equal(narrow(places), places)
    beyond = np.array([0, largest + 1])
    assert narrow(beyond) is beyond
    assert narrow(np.empty(0, dtype=np.int64)).dtype == np.int32
