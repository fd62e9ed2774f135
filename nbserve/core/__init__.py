"""The pure part: no web, no Jupyter."""
