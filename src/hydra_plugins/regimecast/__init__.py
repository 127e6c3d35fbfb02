"""Hydra plugins of Regimecast. Hydra imports them at every start, so nothing heavy belongs here."""
