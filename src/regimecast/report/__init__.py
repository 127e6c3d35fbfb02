"""Reports: figures and self-contained pages."""
