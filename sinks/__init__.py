"""Where records end: the consumers that write ClickHouse, and the reading of what is stored.

May import schemas; knows nothing of ingest_api, streams or dialfeed.
Invariants: effects first (rows, receipts, dead letters acknowledged), offsets last; every effect may be repeated
without a second call, a second row or a second receipt; a world that is wrong is waited for or stops the process,
and only a row that ClickHouse refuses for its own sake becomes a dead letter.
"""
