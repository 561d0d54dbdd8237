"""Files of a run folder: atomic writes, stage results, manifest, status."""
