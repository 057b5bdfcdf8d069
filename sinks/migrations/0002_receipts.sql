-- One row a slice of a submission that is done: its rows are stored, its failed records dead-lettered.
CREATE TABLE IF NOT EXISTS receipts
(
    submission_id String,
    first_index UInt32 COMMENT 'index of the first record of the slice',
    version UInt64,
    workspace_id LowCardinality(String),
    batch_id String COMMENT 'empty where the sender named none',
    size UInt32 COMMENT 'records of the slice: added and failed',
    total UInt32 COMMENT 'records of the submission',
    added UInt32,
    failed UInt32,
    accepted_at DateTime64(3, 'UTC'),
    call_ids String COMMENT '16 bytes a stored record, in the order sent',
    body_hash String DEFAULT '' COMMENT 'SHA-256 of the body, hex, where it came with an Idempotency-Key',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (submission_id, first_index)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
