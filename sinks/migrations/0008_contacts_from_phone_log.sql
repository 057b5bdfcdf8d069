-- Every accepted record makes its entry the contact's newest, pending. What left pending has a higher version.
CREATE MATERIALIZED VIEW IF NOT EXISTS contacts_from_phone_log TO contacts AS
SELECT
    batch_id,
    phone_number,
    bitOr(bitShiftLeft(toUInt128(entry), 108), toUInt128(version)) AS write_version,
    entry,
    call_id,
    workspace_id,
    'pending' AS status,
    variables,
    timezone,
    timezone_source,
    submission_id,
    accepted_at
FROM phone_log
