"""Make the report: ``python run_all.py --help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

if __name__ == "__main__":
    wrong = ""
    if sys.version_info < (3, 11):  # noqa: UP036 (who runs a bare checkout has not been told by pip)
        wrong = (
            f"Python 3.11, 3.12 or 3.13 is needed, and this is {sys.version_info[0]}.{sys.version_info[1]}."
        )
    else:
        try:
            from helpers.engine.cli import main

            sys.exit(main())
        except ModuleNotFoundError as error:
            wrong = f"The package '{error.name}' is not installed here."
        except KeyboardInterrupt:  # while the program was still being loaded
            sys.exit(130)
    print(
        f"run_all.py: {wrong} 'make report' installs all that is needed into .venv, "
        "and .venv/bin/python runs this.",
        file=sys.stderr,
    )
    sys.exit(2)
