"""Callbacks for other people's training loops. Import the module of yours; none imports another.

Each tells metrics, progress, validations and checkpoints, ends the framework's own loop when
somebody asks for it, and is silent where several processes train and this is not the first.
"""
