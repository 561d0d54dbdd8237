"""Meanings of figures, at the fields that hold them."""


def says(meaning: str) -> dict[str, str]:
    """Return a dataclass field's metadata with its meaning."""
    # Pydantic takes the description into its schema.
    return {"description": meaning}
