"""What a .keras file is made of, read and written."""
