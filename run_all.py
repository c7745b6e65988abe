"""Make the report: ``python run_all.py --help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

if __name__ == "__main__":
    try:
        from helpers.engine.cli import main
    except ModuleNotFoundError as error:
        sys.exit(f"run_all.py: the package '{error.name}' is not installed here. 'make report' installs everything; or: pip install -r requirements.txt")
    sys.exit(main())
