-- Three bits more for the status of an entry: which of several final statuses with one time counts. 17 are left for the
-- entry. A row that was written before has a lower version than the same row has now, and a higher one than older rows.
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
    accepted_at
FROM phone_log
