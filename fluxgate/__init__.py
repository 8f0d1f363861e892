"""Fluxgate: the same pictures under every memory strategy, checked to the pixel and to the byte."""
