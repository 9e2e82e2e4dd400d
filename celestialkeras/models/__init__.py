"""The networks: the paper's under their published names, ours apart."""
