"""Features: what is known at the close of each bar, computed from bars and calendars."""
