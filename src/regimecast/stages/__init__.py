"""The staged pipeline: the functions of a run one by one, each with its artifacts on disk."""
