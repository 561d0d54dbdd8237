"""What measurement does to the figures of the study."""
