"""A run as one self-contained HTML page: read from what other verbs left in its folder, nothing measured anew."""
