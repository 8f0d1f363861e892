"""The verbs of the command line, a module each: `add_options` to its parser, and `act`, whose docstring is its help."""
