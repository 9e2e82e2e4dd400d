"""Evaluation that is honest about objects, instruments and filters."""
