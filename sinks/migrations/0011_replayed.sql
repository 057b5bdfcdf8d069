-- One row a record that a replay stored or passed over: what came of it, so that the same slice again gets the same.
CREATE TABLE IF NOT EXISTS replayed
(
    submission_id String COMMENT 'the record''s own',
    record_index UInt32,
    replay_id String,
    outcome LowCardinality(String) COMMENT 'added, updated or superseded',
    batch_id String,
    workspace_id LowCardinality(String),
    call_id UUID,
    attempt UInt32 COMMENT 'of the dead letter that was tried again',
    done_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (submission_id, record_index, replay_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
