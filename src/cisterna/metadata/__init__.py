"""Plain mappings from one metadata model to every form that others read."""
