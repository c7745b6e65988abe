"""Reading notebooks without the seconds that a grammar costs which no notebook needs."""

import sys


def skip_address_grammar() -> None:
    """Let jsonschema, which nbformat imports, do without the package ``rfc3987_syntax`` in this process.

    That package builds a grammar of international web addresses whenever it is imported, which takes longer
    than all else at the start of a job. jsonschema goes without where the package is absent, and a notebook's
    schema asks for no such address.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # 'absent', to an import
