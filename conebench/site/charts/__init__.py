"""Charts as shapes in coordinates, and tables of text."""
