"""Many jobs of one study: which are missing, a process for each, and how they ended."""
