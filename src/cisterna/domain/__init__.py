"""Plain values and decisions: standard library and pydantic only."""
