"""scikit-learn: a classifier trained epoch by epoch. README.md says what it takes."""
