"""Hostile files and words at every boundary: see `boundaries` for what each must keep to.

`pytest tests/fuzz` makes some 500 tries, `make fuzz` 20,000 with another seed each time.
"""
