"""Site that the measured servers serve, with one of the compared applications."""
