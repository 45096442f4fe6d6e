"""The short forms of the faults, and tests of what makes them."""
