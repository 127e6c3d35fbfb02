"""Raw bars to leak-free windows: sources, cleaning, the panel, scaling, windows."""
