"""Synthetic examples: queries that an LM writes about a tenant's content, each validated before it may train.

values: what is asked for and made; generators: which labels are aimed at; generation: the DSPy program that writes;
validation: what is refused; augmentation: more from one; mixing: how many, and what they weigh; service: all of it.
"""
