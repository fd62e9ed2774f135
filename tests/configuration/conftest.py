from tests.notebook.conftest import bare, ipython, shell

__all__ = ["bare", "ipython", "shell"]
