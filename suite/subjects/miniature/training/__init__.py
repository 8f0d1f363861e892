"""Training of the miniature: `python -m suite.subjects.miniature.training --out FOLDER --minutes N`."""
