"""What is fast, and what it costs: each a program, `python -m benchmarks.NAME`. Knows nothing of tests."""
