"""The errors that a user sees as a sentence, never as a traceback."""


class UserError(Exception):
    """A mistake that the user can mend; its text is one sentence or two with the way out."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ParameterError(UserError):
    """A parameter file or an override is wrong."""


class DataError(UserError):
    """The data folder is missing, incomplete or damaged."""


class MissingStageError(UserError):
    """A stage was started before the stage whose files it reads."""


class TrainingError(UserError):
    """A training that cannot go on, or trained weights that do not fit the parameters."""
