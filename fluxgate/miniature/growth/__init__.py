"""The growing of the miniature into FLUX.1-dev's shapes, in which it computes the same pictures."""
