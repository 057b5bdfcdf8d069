"""Tables as people keep them, CSV and XLSX, read row by row into records. Imports `schemas` only.

Nothing here does I/O beyond the binary file it is given, and nothing holds more than a row and what a workbook shares
between its cells: memory does not grow with the rows. `reading.py` is the file to begin with.
"""
