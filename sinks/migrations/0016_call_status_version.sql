ALTER TABLE call_status COMMENT COLUMN IF EXISTS version 'rank times 2^45, plus the time of the status in ms since the epoch times 8, plus its place among final ones of that time: the highest wins'
