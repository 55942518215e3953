"""What a run is asked to do. Each mode does all that the one before it does."""

from __future__ import annotations

from enum import Enum


class Mode(str, Enum):
    """| mode   | lists | copies | switches rows | deletes legacy |
    | ------ | ----- | ------ | ------------- | -------------- |
    | plan   | yes   |        |               |                |
    | copy   | yes   | yes    |               |                |
    | switch | yes   | yes    | yes           |                |
    | move   | yes   | yes    | yes           | yes            |
    """

    PLAN = "plan"
    COPY = "copy"
    SWITCH = "switch"
    MOVE = "move"

    @property
    def copies(self) -> bool:
        return self is not Mode.PLAN

    @property
    def switches(self) -> bool:
        return self in {Mode.SWITCH, Mode.MOVE}

    @property
    def deletes(self) -> bool:
        return self is Mode.MOVE
