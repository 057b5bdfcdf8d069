-- More parts wait for each merge, so that a row is written again half as often: merges cost more than the insert did.
ALTER TABLE calls MODIFY SETTING merge_selector_base = 12
