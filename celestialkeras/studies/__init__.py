"""The open questions of Zhang et al. 2024, each asked of any data set by one command."""
