"""The errors that a user sees as a sentence, never as a traceback."""


class UserError(Exception):
    """A mistake that the user can mend; its text is one sentence or two with the way out."""


class ParameterError(UserError):
    """A parameter file or an override is wrong."""


class DataError(UserError):
    """The data folder is missing, incomplete or damaged."""


class MissingStageError(UserError):
    """A stage was started before the stage whose files it reads."""


class TrainingError(UserError):
    """A training that cannot go on, or trained weights that do not fit the parameters."""
