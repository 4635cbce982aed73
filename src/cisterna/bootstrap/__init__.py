"""Puts the parts together, and runs the embedded ones."""

from cisterna.bootstrap.home import Endpoints, Home
from cisterna.bootstrap.parts import Parts, open_parts

__all__ = ["Endpoints", "Home", "Parts", "open_parts"]
