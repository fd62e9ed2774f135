"""The Jupyter server's face: it imports neither FastAPI, numpy nor the core."""
