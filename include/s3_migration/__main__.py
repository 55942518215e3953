"""python -m s3_migration COMMAND NAME …: see commands/program.py."""

from __future__ import annotations

import sys
import traceback

from s3_migration.commands.program import main

if __name__ == "__main__":
    try:
        main()
    except Exception:
        # A mistake of ours. Python would end with 1, which is an answer.
        traceback.print_exc()
        sys.exit(2)
