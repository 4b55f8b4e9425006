"""The site. NumPy at the bottom, Streamlit only at the top. Knows nothing of torch, `vae` or `export`."""
