"""Training of the miniature: `python -m fluxgate.miniature.training --out FOLDER --minutes N`."""
