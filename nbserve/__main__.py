"""``python -m nbserve``, the same as the command ``nbserve``."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
