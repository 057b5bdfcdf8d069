-- One row a dead letter that needs no replay any more: a record that was posted again is stored, or it was dismissed.
CREATE TABLE IF NOT EXISTS resolved
(
    submission_id String COMMENT 'of the dead letter',
    record_index UInt32 COMMENT 'of the dead letter',
    workspace_id LowCardinality(String) COMMENT 'who resolved it: counts for dead letters of this workspace, or of none',
    by LowCardinality(String) COMMENT 'record or dismissal',
    by_submission_id String DEFAULT '' COMMENT 'of the record that was stored instead',
    by_record_index UInt32 DEFAULT 0,
    reason String DEFAULT '' COMMENT 'why it was dismissed',
    resolved_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (submission_id, record_index, workspace_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
