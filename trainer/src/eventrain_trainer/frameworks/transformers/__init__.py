"""Transformers: a language model trained by Hugging Face's Trainer. README.md says what it takes."""
