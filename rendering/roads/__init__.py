"""Rendered roads, as a windshield camera sees them."""
