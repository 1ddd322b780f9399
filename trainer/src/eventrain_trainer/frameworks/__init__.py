"""One folder a framework: manifest.yaml, README.md and the program that `run` starts."""
