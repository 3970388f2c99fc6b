"""Benchmarks: catalogue of problems, protocols, methods, verdicts, runner, store and report."""
