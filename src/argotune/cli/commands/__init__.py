"""Commands: a file for each group of them. Adds its flags, calls one operation, prints what came of it."""
