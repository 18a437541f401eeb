"""Dashboard: the face for a browser. Asks operations, shows their values, changes nothing.

`views/` say what is shown, as values, without a browser. `frame.py`, `pages/` and what they draw with are all that
knows Streamlit and Altair. What a tenant sent is shown as text and is nothing else (`inert.py`).
"""
