"""Search over barriers: which distances and deadline make labels that are worth learning.

`merit` says what a setting is worth, `evolve` looks for the front of the best, `barriers` does that
for every asset of a panel on the training interval alone, `page`, `table` and `saved` show it.
"""
