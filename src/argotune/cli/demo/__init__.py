"""The demo: three tenants with authored sample queries, a small application that serves them, and the real loop.

Nothing here is imported by the product. Which tenant gets which verdict is not written anywhere: it comes
out of the queries, the labels and the LM's answers.
"""
