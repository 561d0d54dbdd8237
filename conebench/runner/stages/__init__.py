"""Stages of a run: cached computations, each named by the hash of its inputs."""
