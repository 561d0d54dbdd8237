"""Charts as SVG with their tables; no records, no HTML pages."""
