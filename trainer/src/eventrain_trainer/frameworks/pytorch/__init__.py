"""PyTorch: a classifier in a plain loop. README.md says what it takes."""
