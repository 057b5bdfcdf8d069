-- More parts wait for each merge, so that a row is written again half as often. Pages are read from contacts, not from
-- here: there the same setting would make them three times as slow.
ALTER TABLE phone_log MODIFY SETTING merge_selector_base = 12
