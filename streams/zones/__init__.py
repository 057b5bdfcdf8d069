"""Which clocks the places of telephone numbers keep: two tables and how the North American one is made.

`nanp.tsv` comes from `nanp.py` (`dialfeed zones --refresh FILE`); `areas.tsv` is kept by hand. May import `schemas`.
"""
