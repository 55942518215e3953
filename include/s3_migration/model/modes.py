"""What a run is asked to do. Each mode does all that the one before it does; `undo` is the way back."""

from __future__ import annotations

from enum import Enum


class Mode(str, Enum):
    """| mode   | lists | copies | switches rows | deletes |
    | ------ | ----- | ------ | ------------- | ------- |
    | plan   | yes   |        |               |         |
    | copy   | yes   | yes    |               |         |
    | switch | yes   | yes    | to production |         |
    | move   | yes   | yes    | to production | legacy objects that are proven |
    | undo   | yes   |        | back, to legacy | our copies in production, if asked to |
    """

    PLAN = "plan"
    COPY = "copy"
    SWITCH = "switch"
    MOVE = "move"
    UNDO = "undo"

    @property
    def copies(self) -> bool:
        return self in {Mode.COPY, Mode.SWITCH, Mode.MOVE}

    @property
    def switches(self) -> bool:
        """Rows, in the one direction or the other."""
        return self in {Mode.SWITCH, Mode.MOVE, Mode.UNDO}

    @property
    def deletes(self) -> bool:
        """Legacy objects."""
        return self is Mode.MOVE

    @property
    def undoes(self) -> bool:
        return self is Mode.UNDO

    @property
    def changes(self) -> bool:
        """Anything at all."""
        return self is not Mode.PLAN
