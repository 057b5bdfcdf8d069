"""The Avro schemas of everything dialfeed puts on the wire: the `.avsc` files here are the source."""
