"""One command line: python -m s3_migration COMMAND …

survey  MIGRATION …           which columns name its objects, the undeclared ones first; changes nothing
setup   MIGRATION …           print what administrators run once: SQL, policies
stop    MIGRATION --reason …  stop all deletion now
resume  MIGRATION             let deletion go on
status  MIGRATION             whether deletion is stopped, and which run is at work
verify  MIGRATION …           a second opinion from S3 and SQL alone: is it whole for the product?
retire  MIGRATION ACTION …    the end of a migration: is it finished, archive its ledger, drop it

MIGRATION is the name of a declaration's file without .yaml. Each command has a --help of its own. Run it where Airflow
is configured: connections come from Airflow, as in a task.
"""

from __future__ import annotations

import sys
from importlib import import_module

# Each command's module in commands/; its main() takes the arguments that follow the command.
_MODULES = {
    "survey": "survey",
    "setup": "setup",
    "stop": "stop_deletion",
    "resume": "stop_deletion",
    "status": "stop_deletion",
    "retire": "retire",
    "verify": "verify",
}


def main() -> None:
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in {"-h", "--help"}:
        print(__doc__)
        return
    if command not in _MODULES:
        print(
            f"python -m s3_migration: unknown command {command!r}, expected one of {', '.join(_MODULES)}. "
            f"Fix: see python -m s3_migration --help",
            file=sys.stderr,
        )
        sys.exit(2)
    # Only the module that is asked for: most of them load Airflow, which takes seconds.
    module = import_module(f"s3_migration.commands.{_MODULES[command]}")
    module.main([command, *arguments] if _MODULES[command] == "stop_deletion" else arguments)


if __name__ == "__main__":
    main()
