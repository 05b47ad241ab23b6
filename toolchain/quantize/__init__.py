"""Making numbers smaller: int8, for each runtime in its own way."""
