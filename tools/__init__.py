"""What the Makefile runs beside the package."""
