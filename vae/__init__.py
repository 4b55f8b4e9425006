"""The workshop: trains variational autoencoders with PyTorch. Knows nothing of ONNX, Streamlit or the site's pages."""
