"""The study in words: findings, the claim, and what is measured otherwise."""
