"""Executors: one process, several, or a Ray cluster."""
