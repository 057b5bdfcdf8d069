-- One row a partition that `load` reads: how far its messages have been written, kept before that is committed to Kafka.
CREATE TABLE IF NOT EXISTS sink_offsets
(
    topic String,
    partition Int32,
    since Int64 COMMENT 'what was committed when the last messages were written',
    next Int64 COMMENT 'what is committed after them: the highest wins',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(next)
ORDER BY (topic, partition)
SETTINGS non_replicated_deduplication_window = 0, fsync_after_insert = 1, fsync_part_directory = 1
