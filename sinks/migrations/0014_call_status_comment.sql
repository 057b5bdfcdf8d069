ALTER TABLE call_status COMMENT COLUMN IF EXISTS version 'rank times 2^42, plus the time of the status in ms since the epoch: the highest wins'
