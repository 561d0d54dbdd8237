"""Pages of all records: index, factors and data."""
