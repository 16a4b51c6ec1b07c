"""One file a reported fault; each defines ``CASE``."""
