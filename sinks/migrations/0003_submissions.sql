-- One row a submission that came over HTTP, from the moment at which it was durable.
CREATE TABLE IF NOT EXISTS submissions
(
    submission_id String,
    version UInt64,
    workspace_id LowCardinality(String),
    batch_id String,
    total UInt32 COMMENT 'records of the submission',
    accepted_at DateTime64(3, 'UTC') COMMENT 'by the clock of the edge',
    body_hash String DEFAULT '' COMMENT 'SHA-256 of the body, hex, where it came with an Idempotency-Key',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY submission_id
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
