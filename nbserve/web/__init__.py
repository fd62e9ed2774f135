"""HTTP: knows the core, never Jupyter."""
