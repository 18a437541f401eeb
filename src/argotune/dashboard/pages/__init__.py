"""Pages: one a file; each asks operations and draws views."""
