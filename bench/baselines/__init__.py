"""Two ordinary ways to do dialfeed's work, written as their libraries' guides would have it: what it is compared with.

`checks.py` judges records as dialfeed does, with pydantic and `phonenumbers`; `table.py` is where rows end. Both are
shared by `faust_guide.py` (Faust, a record a message) and `fastapi_handler.py` (FastAPI, no Kafka).
Neither has what dialfeed promises beside: reports, callIds that survive, retries without doubles, replay.
"""
