"""What the fields of figures mean, where a record's schema and its reference look for it."""


def says(meaning: str) -> dict[str, str]:
    """Metadata of a dataclass field: pydantic takes the description into its schema."""
    return {"description": meaning}
