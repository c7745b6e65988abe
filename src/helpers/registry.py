"""Variants by name: each is one object in a file of its own, and the folder is the list of them."""

import importlib
import importlib.util
import pkgutil
from functools import cache
from typing import Generic, TypeVar

from helpers.errors import ParameterError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """The variants of one kind.

    Module ``<package>.<name>`` holds the variant ``name`` under the attribute ``attribute``.

    Asking for the names reads the folder and imports nothing; ``get`` imports the one module that is asked
    for. Example: ``BACKBONES = Registry[Backbone]("helpers.classifier.backbones", "BACKBONE", "backbone")``.
    """

    def __init__(self, package: str, attribute: str, kind: str):
        self.package, self.attribute, self.kind = package, attribute, kind

    @cache  # noqa: B019 (registries live as long as the process)
    def names(self) -> tuple[str, ...]:
        """Names of all variants, in alphabetical order.

        Modules whose name begins with an underscore are no variants.
        """
        found = importlib.util.find_spec(self.package)
        places = found.submodule_search_locations if found else None
        return tuple(sorted(each.name for each in pkgutil.iter_modules(places) if each.name[0] != "_"))

    def module(self, name: str) -> str:
        """Full name of the module that holds ``name``.

        Raises ParameterError, with the nearest name, where there is none.
        """
        if name not in self.names():
            hint = nearest(name, self.names())
            raise ParameterError(
                f"There is no {self.kind} '{name}'{hint}; there are {', '.join(self.names())}."
            )
        return f"{self.package}.{name}"

    def get(self, name: str) -> T:
        """The variant ``name``; raises ParameterError where there is none."""
        return getattr(importlib.import_module(self.module(name)), self.attribute)
