"""Executors: one process, several, or jobs of a SLURM cluster."""
