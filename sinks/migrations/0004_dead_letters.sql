-- One row an attempt at a record that failed: the headers of its dead letter, and its bytes.
CREATE TABLE IF NOT EXISTS dead_letters
(
    submission_id String,
    record_index UInt32,
    attempt UInt32 COMMENT '1 at the first failure',
    version UInt64,
    batch_id String COMMENT 'empty where the sender named none',
    code LowCardinality(String) COMMENT 'of the first error',
    class LowCardinality(String) COMMENT 'who has to act: data, schema, policy, sink or system',
    stage LowCardinality(String),
    path String COMMENT 'JSON pointer into the record',
    message String,
    errors String COMMENT 'every error as JSON: [{code, path, message}]',
    source_topic LowCardinality(String),
    source_partition Int32,
    source_offset Int64,
    accepted_at DateTime64(3, 'UTC'),
    first_failed_at DateTime64(3, 'UTC'),
    failed_at DateTime64(3, 'UTC'),
    replay_id String COMMENT 'empty where it was not a replay that failed',
    app_version LowCardinality(String),
    record String COMMENT 'the bytes sent, untouched',
    body_hash String DEFAULT '' COMMENT 'SHA-256 of the body, hex, where it came with an Idempotency-Key',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (submission_id, record_index, attempt, body_hash)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
