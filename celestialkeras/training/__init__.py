"""Training a registered model to a run folder, resumable at any epoch."""
