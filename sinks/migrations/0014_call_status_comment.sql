-- The comment of 0005 names another shift than the code's (`sinks.statuses`).
ALTER TABLE call_status
    COMMENT COLUMN version 'rank times 2^42, plus the time of the status in ms since the epoch: the highest wins'
