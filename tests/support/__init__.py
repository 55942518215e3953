"""What tests share and is no fixture (those are in conftest.py). A test imports from here, never another test."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
