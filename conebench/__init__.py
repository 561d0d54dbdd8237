"""conebench: measures the cone effect in the learning dynamics of deep networks."""

__version__ = "0.1.0"
