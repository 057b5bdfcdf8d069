ALTER TABLE contacts_from_phone_log MODIFY QUERY
SELECT
    batch_id,
    phone_number,
    bitOr(bitShiftLeft(toUInt128(entry), 111), toUInt128(version)) AS write_version,
    entry,
    call_id,
    workspace_id,
    'pending' AS status,
    variables,
    timezone,
    timezone_source,
    submission_id,
    accepted_at,
    phone_number_read_as,
    timezone_confidence,
    timezone_candidates
FROM phone_log
