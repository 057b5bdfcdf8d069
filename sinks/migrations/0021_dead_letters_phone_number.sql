ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS phone_number String DEFAULT '' COMMENT 'of the record, E.164 with plus, empty where it has none'
