"""Compare the study's figures with the same figures measured in another way."""
