-- One row an entry that a status is known of: the one that counts, and when the entry left pending.
-- `load` writes each row from everything known of the entry, so that the last of equal versions is the right one.
CREATE TABLE IF NOT EXISTS call_status
(
    batch_id String,
    phone_number String COMMENT 'E.164 with plus',
    entry UInt32,
    version UInt64 COMMENT 'rank times 2^48, plus the time of the status in ms since the epoch: the highest wins',
    call_id UUID,
    workspace_id LowCardinality(String),
    status LowCardinality(String),
    at DateTime64(3, 'UTC') COMMENT 'as the calling service says, else as received',
    left_at Int64 COMMENT 'when it left pending: ms since the epoch, by the clock of the brokers, 0 where it is pending',
    call_duration Nullable(Float64) COMMENT 's',
    recording_url Nullable(String),
    transcript Nullable(String),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (batch_id, phone_number, entry)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
