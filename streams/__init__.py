"""What happens to a record between the edge and the sink: cut into chunks, decoded, checked, placed in a time zone.

`pipeline.py` is the file to read first. Only `agents.py`, `app.py` and `safe_consumer.py` know Faust; everything else
is a function of its arguments. Imports `schemas`, nothing else of ours.

Invariants: effects first (every message acknowledged by Kafka), then the acknowledgement of what was read. Wrong data
is a value that ends as a dead letter. A wrong world is waited for, or stops the process without acknowledging.
"""
