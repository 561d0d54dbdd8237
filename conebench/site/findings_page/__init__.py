"""The Findings page: the study of docs/study.md, and matched pairs of all records."""
