"""The twelve verbs of a pass, in the order that `pipeline` alone knows, and `dispatch` and `learn`, of all tenants.

Each file exports one function with its own name.
"""
