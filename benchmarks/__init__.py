"""What is fast, and what it costs: each a program, `python -m benchmarks.NAME`. Knows nothing of tests."""

import demo  # noqa: F401  # before onnxruntime: it keeps that silent
