"""Tests of regimecast.report."""
