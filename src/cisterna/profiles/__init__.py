"""One file per kind of instrument."""
