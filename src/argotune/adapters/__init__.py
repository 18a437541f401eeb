"""Adapters: one file or folder, one product. Whatever imports a client library or a server's protocol is here."""
