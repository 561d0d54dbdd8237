"""Templates, markup, and text that is safe to show."""
