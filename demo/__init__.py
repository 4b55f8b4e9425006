"""The site. NumPy at the bottom, Streamlit only at the top. Knows nothing of torch, `vae` or `export`."""

import os

# onnxruntime would tell Microsoft of machine and models, and keep a file in the home directory; asked once, at import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
