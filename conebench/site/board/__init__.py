"""The index, factors and data pages: all records in one place."""
