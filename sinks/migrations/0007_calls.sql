-- Where a callId belongs.
CREATE TABLE IF NOT EXISTS calls
(
    call_id UUID,
    batch_id String,
    phone_number String COMMENT 'E.164 with plus',
    entry UInt32,
    workspace_id LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY call_id
SETTINGS index_granularity = 512, min_compress_block_size = 16384, max_compress_block_size = 16384,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
