"""Pages of all records: index and data."""
