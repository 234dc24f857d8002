"""What is fast and how fast: `make bench` on this machine's CPU, `gpu.py` on a GPU."""
