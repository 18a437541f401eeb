"""Statistics: numbers in, numbers out. Every function cites its equation and has an oracle test; wording.py
tells numbers to people."""
