-- One row a contact, its newest entry with the row that counts: what pages, filters, order and search read, with FINAL.
-- Derived: pending rows come from phone_log by a materialized view, the others are computed anew by `load`.
CREATE TABLE IF NOT EXISTS contacts
(
    batch_id String,
    phone_number String COMMENT 'E.164 with plus',
    write_version UInt128 COMMENT 'entry, rank, time of the status and version of the record, highest bits first',
    entry UInt32 COMMENT 'the newest',
    call_id UUID,
    workspace_id LowCardinality(String),
    status LowCardinality(String) COMMENT 'of the newest entry',
    variables String COMMENT 'of the newest entry, as a JSON object',
    timezone LowCardinality(String),
    timezone_source LowCardinality(String),
    submission_id String,
    accepted_at DateTime64(3, 'UTC') COMMENT 'of the record that counts. First accepted: min in phone_log',
    flat Bool MATERIALIZED position(variables, '{', 2) = 0 AND position(variables, '\\') = 0
        COMMENT 'no nested object, no escape: in the JSON a variable is found by its name in quotes, a text as it is',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(write_version)
ORDER BY (batch_id, phone_number)
SETTINGS index_granularity = 2048, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
