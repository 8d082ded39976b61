"""What several pages use: the session, background jobs, cached computing, widgets."""
