"""Seeds of the parts of a run."""

import numpy as np

__all__ = ["derive_seed"]


def derive_seed(seed: int, *keys: int) -> int:
    """Seed of a part of a run, such as a fold; unrelated to the seeds of the other parts.

    Args:
        seed: seed of the run, not negative.
        keys: which part, such as the fold's number; none gives the seed itself. Zeros at the end
            count for nothing.
    """
    if not keys:
        return seed
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1)[0])
