"""Charts as shapes in coordinates, with their tables; no records, no HTML."""
