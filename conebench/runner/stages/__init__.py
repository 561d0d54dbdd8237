"""Stages of a run: cached computations, one file per kind."""
