from __future__ import annotations

import pytest

from schemas.records import Workspace
from schemas.registrations import (
    Campaign,
    RegistrationRefusedError,
    Rules,
    campaign_of,
    changed_batch,
    changed_workspace,
    find_agent,
    find_workspace,
    new_admin_key,
    new_agent,
    new_batch,
    new_key,
    new_number,
    new_workspace,
    revoked_key,
)
from schemas.registry import Registry
from streams.phone_numbers import normalise
from streams.timezones import zone_names

NOW = 1_767_225_600_000
RULES = Rules(known_timezone=lambda name: name in zone_names(), normalise=normalise)
SCHEMA = '{"type": "record", "name": "R", "fields": [{"name": "firstName", "type": "string"}]}'


@pytest.fixture
def state() -> Registry:
    return Registry()


@pytest.fixture
def acme(state: Registry) -> Workspace:
    made = new_workspace(state, RULES, "Acme", None, NOW)
    state.apply(made)
    return made


def campaign_numbers(state: Registry, owner: Workspace, *numbers: str) -> list[str]:
    agent = new_agent(owner, "agent", SCHEMA, NOW)
    state.apply(agent)
    made = [new_number(state, RULES, agent, number, NOW) for number in numbers]
    for number in made:
        state.apply(number)
    return [number.phone_id for number in made]


def test_a_workspace_is_found_by_id_and_by_name(state: Registry, acme: Workspace) -> None:
    assert find_workspace(state, acme.workspace_id) == find_workspace(state, "Acme") == acme


def test_a_name_that_two_workspaces_have_names_neither(state: Registry, acme: Workspace) -> None:
    state.apply(Workspace(workspace_id="other", name="Acme", created_at=NOW))
    with pytest.raises(RegistrationRefusedError) as caught:
        find_workspace(state, "Acme")
    assert "other" in caught.value.remedy
    assert acme.workspace_id in caught.value.remedy


def test_a_second_workspace_of_the_same_name_is_refused(state: Registry, acme: Workspace) -> None:
    with pytest.raises(RegistrationRefusedError, match="already"):
        new_workspace(state, RULES, f" {acme.name} ", None, NOW)


@pytest.mark.parametrize("zone", ["EST5", "+05:30", "america/new_york", "nowhere"])
def test_a_zone_that_the_tz_database_does_not_have_is_refused(state: Registry, zone: str) -> None:
    with pytest.raises(RegistrationRefusedError, match="tz database"):
        new_workspace(state, RULES, "Acme", zone, NOW)


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "\x1b[31m"])
def test_a_name_that_cannot_be_shown_is_refused(state: Registry, name: str) -> None:
    with pytest.raises(RegistrationRefusedError, match="name"):
        new_workspace(state, RULES, name, None, NOW)


def test_a_key_opens_its_workspace_until_it_is_revoked(state: Registry, acme: Workspace) -> None:
    record, api_key = new_key(acme, "crm", NOW)
    state.apply(record)
    assert state.workspace_of_key(api_key) == acme.workspace_id
    state.apply(revoked_key(state, record.key_id, NOW + 1))
    assert state.workspace_of_key(api_key) is None


def test_a_second_revocation_keeps_the_time_of_the_first(state: Registry, acme: Workspace) -> None:
    record, _ = new_key(acme, "crm", NOW)
    state.apply(record)
    state.apply(revoked_key(state, record.key_id, NOW + 1))
    assert revoked_key(state, record.key_id, NOW + 9).revoked_at == NOW + 1


def test_a_record_never_holds_the_key_itself(acme: Workspace) -> None:
    record, api_key = new_key(acme, "crm", NOW)
    assert api_key not in repr(record)


def test_an_agent_begins_with_version_one_of_its_schema(acme: Workspace) -> None:
    (version,) = new_agent(acme, "a", SCHEMA, NOW).versions
    assert (version.version, version.schema) == (1, SCHEMA)


@pytest.mark.parametrize("schema", ["", "{", '"string"', '{"type": "record", "name": "R", "fields": [{"name": "1"}]}'])
def test_a_schema_that_cannot_be_used_is_refused_with_the_reason(acme: Workspace, schema: str) -> None:
    with pytest.raises(RegistrationRefusedError, match=r"refused: .+"):
        new_agent(acme, "a", schema, NOW)


def test_an_agent_of_another_workspace_is_refused(state: Registry, acme: Workspace) -> None:
    other = new_workspace(state, RULES, "Other", None, NOW)
    agent = new_agent(other, "a", SCHEMA, NOW)
    state.apply(agent)
    with pytest.raises(RegistrationRefusedError, match="another workspace"):
        find_agent(state, agent.agent_id, acme)


def test_a_number_is_kept_as_e164_and_once_only(state: Registry, acme: Workspace) -> None:
    (phone_id,) = campaign_numbers(state, acme, "1 (212) 555-1001")
    assert state.numbers[phone_id].number == "+12125551001"
    with pytest.raises(RegistrationRefusedError, match="already"):
        campaign_numbers(state, acme, "+12125551001")


def test_a_text_that_is_no_number_is_refused(state: Registry, acme: Workspace) -> None:
    with pytest.raises(RegistrationRefusedError, match="no calling number"):
        campaign_numbers(state, acme, "12")


def test_a_batch_has_its_numbers_in_the_order_given_and_none_twice(state: Registry, acme: Workspace) -> None:
    first, second = campaign_numbers(state, acme, "+12125551001", "+12125551002")
    with pytest.raises(RegistrationRefusedError, match="anything twice"):
        new_batch(state, RULES, acme, Campaign("spring", [second, first, second]), NOW)
    batch = new_batch(state, RULES, acme, Campaign("spring", [second, first]), NOW)
    assert batch.phone_ids == [second, first]
    assert state.agent_of_batch(batch) is not None


def test_a_batch_of_anothers_number_is_refused(state: Registry, acme: Workspace) -> None:
    other = new_workspace(state, RULES, "Other", None, NOW)
    (phone_id,) = campaign_numbers(state, other, "+12125551001")
    with pytest.raises(RegistrationRefusedError, match="another workspace"):
        new_batch(state, RULES, acme, Campaign("spring", [phone_id]), NOW)


def test_days_are_names_or_numbers_from_sunday(state: Registry, acme: Workspace) -> None:
    numbers = campaign_numbers(state, acme, "+12125551001")
    batch = new_batch(state, RULES, acme, Campaign("s", numbers, days=["Saturday", "mon", "0", "2"]), NOW)
    assert batch.allowed_days == [0, 1, 2, 6]


@pytest.mark.parametrize("day", ["7", "-1", "day", "", "m", "sunrise", "montag"])
def test_a_day_that_there_is_not_is_refused(state: Registry, acme: Workspace, day: str) -> None:
    numbers = campaign_numbers(state, acme, "+12125551001")
    with pytest.raises(RegistrationRefusedError, match="no day"):
        new_batch(state, RULES, acme, Campaign("s", numbers, days=[day]), NOW)


def test_calling_hours_may_go_past_midnight(state: Registry, acme: Workspace) -> None:
    numbers = campaign_numbers(state, acme, "+12125551001")
    batch = new_batch(state, RULES, acme, Campaign("s", numbers, calling_hours="22:00-06:30"), NOW)
    assert (batch.calling_hour_start, batch.calling_hour_end) == ("22:00", "06:30")


@pytest.mark.parametrize("hours", ["9:00-18:00", "09:00", "09:00-24:00", "09:00-09:00", "09:00-18:00 "])
def test_calling_hours_that_cannot_be_are_refused(state: Registry, acme: Workspace, hours: str) -> None:
    numbers = campaign_numbers(state, acme, "+12125551001")
    with pytest.raises(RegistrationRefusedError, match="calling hours"):
        new_batch(state, RULES, acme, Campaign("s", numbers, calling_hours=hours), NOW)


def test_an_admin_key_opens_the_administration_and_no_workspace(state: Registry, acme: Workspace) -> None:
    record, api_key = new_admin_key("admin", NOW)
    of_workspace, workspace_key = new_key(acme, "crm", NOW)
    for one in (record, of_workspace):
        state.apply(one)
    assert state.workspace_of_key(api_key) is None
    assert state.is_admin_key(api_key)
    assert not state.is_admin_key(workspace_key)
    assert not state.is_admin_key("df_unknown")
    state.apply(revoked_key(state, record.key_id, NOW + 1))
    assert not state.is_admin_key(api_key)


@pytest.mark.parametrize(("given", "kept"), [("de", "DE"), ("US", "US"), ("", None), (None, None)])
def test_a_workspace_and_a_batch_may_name_a_country(state: Registry, given: str | None, kept: str | None) -> None:
    owner = new_workspace(state, RULES, "Land", None, NOW, given)
    state.apply(owner)
    numbers = campaign_numbers(state, owner, "+12125551001")
    batch = new_batch(state, RULES, owner, Campaign("spring", numbers, country=given), NOW)
    assert (owner.country, batch.country) == (kept, kept)
    assert campaign_of(batch).country == kept


def test_a_country_that_does_not_exist_is_refused_with_the_one_that_is_meant(state: Registry) -> None:
    with pytest.raises(RegistrationRefusedError) as caught:
        new_workspace(state, RULES, "Land", None, NOW, "UK")
    assert (caught.value.field, caught.value.remedy) == ("country", "Give GB instead.")


def test_a_changed_workspace_remembers_what_it_was(acme: Workspace) -> None:
    changed = changed_workspace(RULES, acme, None, "us", NOW + 5)
    assert (changed.country, changed.timezone, changed.changed_at, changed.earlier) == ("US", None, NOW + 5, [acme])
    assert changed_workspace(RULES, changed, None, "US", NOW + 6) is changed
    taken = changed_workspace(RULES, changed, "Europe/Berlin", "", NOW + 7)
    assert (taken.country, taken.timezone, len(taken.earlier)) == (None, "Europe/Berlin", 2)


def test_a_batch_keeps_its_country_through_another_change(state: Registry, acme: Workspace) -> None:
    numbers = campaign_numbers(state, acme, "+12125551001")
    batch = new_batch(state, RULES, acme, Campaign("spring", numbers, country="DE"), NOW)
    again = changed_batch(state, RULES, batch, campaign_of(batch), NOW + 1)
    assert again is batch
