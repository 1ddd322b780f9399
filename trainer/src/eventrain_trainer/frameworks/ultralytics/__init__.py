"""Ultralytics: YOLO, which finds or names what pictures show. README.md says what it takes."""
