-- One row an accepted version of a record: the history of what was asked for each entry of a contact. The row that
-- counts for an entry is the one with the highest version of those accepted before the entry left pending.
-- Rows are on the disk before the offsets of their messages are committed: fsync, which costs little at this size.
CREATE TABLE IF NOT EXISTS phone_log
(
    batch_id String,
    phone_number String COMMENT 'E.164 with plus',
    entry UInt32 COMMENT 'which entry of the contact, from 0',
    version UInt64 COMMENT 'ms from 2020 when accepted, times 2^24, plus the record index: the highest wins',
    call_id UUID COMMENT 'a function of batch, number and entry',
    workspace_id LowCardinality(String),
    submission_id String,
    record_index UInt32 COMMENT 'in the submission, from 0',
    accepted_at DateTime64(3, 'UTC') COMMENT 'by the clock of the brokers',
    phone_number_sent String COMMENT 'the text sent',
    timezone LowCardinality(String) COMMENT 'tz database name',
    timezone_source LowCardinality(String) COMMENT 'record, number, batch, workspace or default',
    variables String COMMENT 'every other field of the record, as a JSON object',
    agent_id LowCardinality(String) COMMENT 'agent whose schema the record was checked against',
    schema_version UInt32 COMMENT 'version of that schema',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (batch_id, phone_number, entry, version)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
