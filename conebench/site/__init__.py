"""The leaderboard as a static site, built from records. Imports no torch."""

from conebench.site.build import BuildReport, build_site
from conebench.site.files.find import record_files, replication_files

__all__ = ["BuildReport", "build_site", "record_files", "replication_files"]
