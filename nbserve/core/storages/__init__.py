"""Where an artifact's bytes are: a table of storages, each with a way to find an address and to fetch what is there."""

from __future__ import annotations

from .address import Address, is_address
from .fetching import Fetch, fetched
from .storage import Terms
from .table import STORAGES, local_path, storage_of

__all__ = ["STORAGES", "Address", "Fetch", "Terms", "fetched", "is_address", "local_path", "storage_of"]
