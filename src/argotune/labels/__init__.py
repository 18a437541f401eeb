"""Labels: whom to ask about which span, and whom to believe."""
