"""What FLUX computes, once more: plain numpy in float64, without any of the libraries that are tested."""
