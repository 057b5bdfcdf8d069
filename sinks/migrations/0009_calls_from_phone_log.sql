CREATE MATERIALIZED VIEW IF NOT EXISTS calls_from_phone_log TO calls AS
SELECT call_id, batch_id, phone_number, entry, workspace_id
FROM phone_log
