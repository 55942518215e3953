"""One command line: python -m s3_migration COMMAND MIGRATION …

setup   print what an administrator runs once: SQL, policies
stop    stop all deletion now; resume lets it go on; status says which it is
retire  the end of a migration: is it finished, archive its ledger, drop it

Each has a --help of its own. Run it where Airflow is configured: connections come from Airflow, as in a task.
"""

from __future__ import annotations

import sys
from importlib import import_module

_MODULES = {
    "setup": "setup",
    "stop": "stop_deletion",
    "resume": "stop_deletion",
    "status": "stop_deletion",
    "retire": "retire",
}


def main() -> None:
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in {"-h", "--help"}:
        print(__doc__)
        return
    if command not in _MODULES:
        sys.exit(f"s3_migration: unknown command {command!r}; known are {', '.join(_MODULES)}")
    # Only the module that is asked for: most of them load Airflow, which takes seconds.
    module = import_module(f"s3_migration.commands.{_MODULES[command]}")
    module.main([command, *arguments] if _MODULES[command] == "stop_deletion" else arguments)


if __name__ == "__main__":
    main()
