"""One file per page: lays out, calls `analysis`, draws."""
