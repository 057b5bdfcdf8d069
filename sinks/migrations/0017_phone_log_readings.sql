-- How a number was read, and what is known of its zone where that is not certain.
ALTER TABLE phone_log
    ADD COLUMN IF NOT EXISTS phone_number_read_as LowCardinality(String) DEFAULT '' COMMENT 'international, or national: and the country whose national form was read, empty where it was stored before this was noted',
    ADD COLUMN IF NOT EXISTS timezone_confidence LowCardinality(String) DEFAULT '' COMMENT 'certain, candidates or country, empty where it was stored before this was noted',
    ADD COLUMN IF NOT EXISTS timezone_candidates LowCardinality(String) DEFAULT '' COMMENT 'the zones that the number may be in where its zone is not certain, with blanks between'
