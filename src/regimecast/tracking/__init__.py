"""Tracking: run folders, manifests, and the trackers that mirror them."""
