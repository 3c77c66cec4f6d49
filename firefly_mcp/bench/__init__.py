"""Benchmark results: rollouts as they were held, why each failed, and the figures over all of them. No model is needed here."""
