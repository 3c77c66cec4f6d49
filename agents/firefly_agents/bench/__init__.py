"""Benchmark: subjects solve tasks through the replay proxy and are scored by the one reward."""
