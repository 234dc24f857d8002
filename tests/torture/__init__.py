"""What is killed, starved and run twice: `make torture`, by hand. Its quickest cases run in CI.

Each case ends with the bytes of an undisturbed run, or with an error of ours and nothing lost.
"""
