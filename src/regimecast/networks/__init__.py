"""Small networks of our own: plain modules from a batch to B x H x P numbers."""
