"""What the folders of a package declare, such as connector types: one folder each, and no list of them anywhere."""

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any


def declared_in(package: ModuleType, attribute: str) -> dict[str, Any]:
    """Return what each package within ``package`` has under ``attribute``, by its ``id``.

    Raises AttributeError for a folder that declares nothing, RuntimeError when two claim one id.
    """
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg:
            continue
        declared = getattr(import_module(f"{package.__name__}.{module.name}"), attribute)
        if declared.id in found:
            raise RuntimeError(f'Two folders of {package.__name__} declare the id "{declared.id}".')
        found[declared.id] = declared
    return found
