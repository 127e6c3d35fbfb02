"""Sources of raw bars."""
