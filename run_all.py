"""Make the report: ``python run_all.py --help``."""

import os
import sys
from pathlib import Path

HERE = str(Path(__file__).resolve().parent / "src")
INSTALL = "'make report' installs all that is needed into .venv, and .venv/bin/python runs this."


def own_packages_first():
    """Search what PYTHONPATH names last: packages of other software may be older than this Python's own."""
    others = {os.path.abspath(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part}
    others.discard(HERE)
    sys.path[:] = [HERE] + sorted((part for part in sys.path if part != HERE), key=others.__contains__)


def start():
    """Run the front door; return its exit code, or a sentence where it cannot be loaded."""
    if sys.platform == "win32":
        return (
            "Linux or macOS is needed. On Windows it runs in WSL: 'wsl --install' once, then the same "
            "commands in the Linux that it opens (https://learn.microsoft.com/windows/wsl/install)."
        )
    if sys.version_info < (3, 11):  # noqa: UP036 (who runs a bare checkout has not been told by pip)
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return f"Python 3.11, 3.12 or 3.13 is needed, and this is {version}. {INSTALL}"
    own_packages_first()
    try:
        from helpers.engine.cli import main
    except ModuleNotFoundError as error:
        return f"The package '{error.name}' is not installed here. {INSTALL}"
    except (ImportError, AttributeError, TypeError) as error:
        where = f" ({error.path})" if getattr(error, "path", None) else ""
        return f"A package of this Python does not fit{where}: {error}. {INSTALL}"
    except KeyboardInterrupt:  # while the program was still being loaded
        return 130
    return main()


if __name__ == "__main__":
    ended = start()
    if isinstance(ended, str):
        print("run_all.py: " + ended, file=sys.stderr)
        ended = 2
    sys.exit(ended)
