"""The tables, step by step: one statement a file, in the order of their numbers, each safe to run twice at once.

A file that has been released is never changed: a new number is added. What each column means stands beside it.
"""
