"""Make the report: ``python run_all.py --help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

if __name__ == "__main__":
    try:
        from helpers.engine.cli import main

        sys.exit(main())
    except ModuleNotFoundError as error:
        sys.exit(f"run_all.py: the package '{error.name}' is not installed here. 'make report' installs everything; or: pip install -r requirements.txt")
    except KeyboardInterrupt:  # while the program was still being loaded
        sys.exit(130)
