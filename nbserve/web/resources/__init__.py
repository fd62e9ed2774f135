"""The user's own routes of an endpoint: what a `ModelResource` declares, and how it is answered."""

from __future__ import annotations

from .checks import replaced_by, resource_of
from .resource import ModelResource, resource_method
from .routes import ResourceRoutes

__all__ = ["ModelResource", "ResourceRoutes", "replaced_by", "resource_method", "resource_of"]
