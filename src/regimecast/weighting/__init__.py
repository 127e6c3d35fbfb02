"""How much each training sample counts, and how often it is drawn."""
