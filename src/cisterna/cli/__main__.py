"""`python -m cisterna.cli` is `cisterna`."""

from cisterna.cli import main

main()
