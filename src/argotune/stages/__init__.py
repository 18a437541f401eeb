"""The nine verbs. Each file exports one function with its own name; `pipeline` alone knows their order."""
