"""How fast dialfeed is beside two ordinary ways to do the same work, measured in one run: `python -m bench`.

May import everything; nothing imports it. Nothing here asserts a speed: machines differ, ratios between the ways on one
machine differ less.
"""
