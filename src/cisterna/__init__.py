"""Carries what an instrument writes to a checked, described, archived, citable dataset, and proves every step."""
