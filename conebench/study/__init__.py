"""The first study: which factors govern the cone effect (docs/study.md). Imports no torch."""
