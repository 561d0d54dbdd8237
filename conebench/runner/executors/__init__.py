"""Executors: what computes the stages of a run, and where."""
