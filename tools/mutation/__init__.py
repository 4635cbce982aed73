"""Breaks code in small ways, and finds the test that notices each."""
