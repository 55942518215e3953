"""python -m s3_migration COMMAND NAME …: see commands/program.py."""

from __future__ import annotations

import os
import sys
import traceback

from s3_migration.commands.program import main

if __name__ == "__main__":
    # Airflow tells of each connection that it found it.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    try:
        main()
    except Exception:
        # A mistake of ours. Python would end with 1, which is an answer.
        traceback.print_exc()
        sys.exit(2)
