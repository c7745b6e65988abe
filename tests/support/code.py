"""Which modules a number comes from."""

from helpers.fingerprints import code_parts


def imported_modules(*modules: str) -> list[str]:
    """These modules and all that they import, by name; those without effect are left out."""
    files = [place.removesuffix(".py") for place in code_parts(*modules) if place.endswith(".py")]
    return [f"helpers.{place.replace('/', '.')}".removesuffix(".__init__") for place in files]
