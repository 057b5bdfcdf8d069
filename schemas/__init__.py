"""What all parts agree on: records, codes, codecs, topics, agents' schemas, the registry's state.

Pure: no client, no clock, no environment. Imports nothing else of ours; everything else may import it.
"""
