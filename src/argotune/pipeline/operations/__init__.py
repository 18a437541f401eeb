"""Operations: what a face (command line, API, dashboard) may ask for, a file for each idea.

Each takes typed arguments and what it works on, answers with a value and raises errors of `argotune.errors`. It prints
nothing, writes no file, ends no process and opens no adapter: that is the faces' part, and wiring's.
"""
