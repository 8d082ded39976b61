"""What is timed and measured; each prints a ratio against a peer in the same run."""
