"""Where records begin: the HTTP edge. Reads a request, publishes it to Kafka, waits for its report and answers.

Imports `schemas` only; whoever wires it passes in the publisher, the registry and the store (`app.create_app`).
Invariants: nothing is published before every check has passed; once publishing has begun it is never cancelled;
pending is never shown as success or as failure; every answer, of errors too, is in the contract's envelope.
Pure: `settings envelope answers headers inflate admission slicing report batches batch_details batches_list paging
admin_bodies` and `openapi*`. Shell: the rest, of which only `receipts` makes a Kafka client and only `server` opens a
socket.
"""
