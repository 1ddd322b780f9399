"""timm: a classifier of pictures. README.md says what it takes."""
