"""Typed matching: what kind each argument is of, which spellings of it are one, and when two free texts ask the same."""
