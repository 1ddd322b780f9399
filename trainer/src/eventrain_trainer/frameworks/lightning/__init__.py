"""Lightning: a classifier trained by its Trainer. README.md says what it takes."""
