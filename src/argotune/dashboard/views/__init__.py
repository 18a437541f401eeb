"""Views: what a page shows, from values of operations to texts, numbers and points of plots."""
