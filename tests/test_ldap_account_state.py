"""The state of an account by the attributes of many directory servers, at 2026-06-01T12:00:00Z."""

from datetime import UTC, datetime

import pytest

from resolvers.connectors.ldap_account_state import STATE_ATTRIBUTES, UnknownState, filetime, is_disabled
from resolvers.connectors.ldap_server import Entry

MOMENT = datetime(2026, 6, 1, 12, tzinfo=UTC)
BEFORE, AFTER = "20260601115959Z", "20260601120001Z"
DAY = (MOMENT - datetime(1970, 1, 1, tzinfo=UTC)).days
DISABLED = {
    "accountExpires": [filetime(MOMENT), 1, filetime(datetime(2001, 1, 1, tzinfo=UTC))],
    "userAccountControl": [514, 66050, 2],
    "msDS-UserAccountDisabled": ["TRUE"],
    "nsAccountLock": ["true", "TRUE"],
    "krbPrincipalExpiration": [BEFORE, "20260601140000+0200", "2026060112Z", "20260601115959.999Z"],
    "pwdAccountLockedTime": ["000001010000Z"],
    "pwdStartTime": [AFTER],
    "pwdEndTime": [BEFORE],
    "shadowExpire": [1, DAY],
    "ds-pwp-account-disabled": ["true"],
    "ds-pwp-account-activation-time": [AFTER],
    "ds-pwp-account-expiration-time": [BEFORE],
    "loginDisabled": ["TRUE"],
    "loginActivationTime": [AFTER],
    "loginExpirationTime": [BEFORE],
    "inetUserStatus": ["Inactive", "deleted"],
    "orclIsEnabled": ["DISABLED"],
    "sambaAcctFlags": ["[DU         ]"],
    "sambaKickoffTime": [int(MOMENT.timestamp())],
}
ENABLED = {
    "accountExpires": [0, 2**63 - 1, filetime(MOMENT) + 10_000_000, 2**63 - 2],
    "userAccountControl": [512, 66048, 544, 8388608 + 512],
    "msDS-UserAccountDisabled": ["FALSE"],
    "nsAccountLock": ["false"],
    "krbPrincipalExpiration": [AFTER, "20260601130001+0100", "20371231235959Z"],
    "pwdAccountLockedTime": ["20260601115900Z"],
    "pwdStartTime": [BEFORE],
    "pwdEndTime": [AFTER],
    "shadowExpire": [-1, 0, DAY + 1, 99999],
    "ds-pwp-account-disabled": ["false"],
    "ds-pwp-account-activation-time": [BEFORE],
    "ds-pwp-account-expiration-time": [AFTER],
    "loginDisabled": ["FALSE"],
    "loginActivationTime": [BEFORE],
    "loginExpirationTime": [AFTER],
    "inetUserStatus": ["active"],
    "orclIsEnabled": ["ENABLED"],
    "sambaAcctFlags": ["[U          ]", "[UX         ]"],
    "sambaKickoffTime": [0, -1, 2**31 - 1, int(MOMENT.timestamp()) + 1],
}
UNREADABLE = {
    "accountExpires": ["never", "1" * 5_000],
    "userAccountControl": ["0x202"],
    "nsAccountLock": ["perhaps"],
    "krbPrincipalExpiration": ["tomorrow", "20261399000000Z", "20260601"],
    "shadowExpire": ["2026-01-01"],
    "inetUserStatus": ["vacation"],
    "sambaAcctFlags": ["DU"],
}


def entry(**attributes: object) -> Entry:
    return Entry("uid=jane", {name.lower(): (str(value),) for name, value in attributes.items()})


def cases(values: dict[str, list[object]]) -> list[tuple[str, object]]:
    return [(name, value) for name, several in values.items() for value in several]


def test_every_attribute_that_is_read_has_its_cases() -> None:
    assert set(DISABLED) == set(ENABLED) == set(STATE_ATTRIBUTES)


@pytest.mark.parametrize(("name", "value"), cases(DISABLED))
def test_value_that_takes_access_away_disables(name: str, value: object) -> None:
    assert is_disabled(entry(**{name: value}), MOMENT) is True


@pytest.mark.parametrize(("name", "value"), cases(ENABLED))
def test_other_value_does_not_disable(name: str, value: object) -> None:
    assert is_disabled(entry(**{name: value}), MOMENT) is False


@pytest.mark.parametrize(("name", "value"), cases(UNREADABLE))
def test_unreadable_value_is_reported_beside_others(name: str, value: object) -> None:
    with pytest.raises(UnknownState) as raised:
        is_disabled(entry(**{"loginDisabled": "TRUE", "orclIsEnabled": "DISABLED", name: value}), MOMENT)
    assert raised.value.attribute == name


def test_entry_without_a_state_is_enabled() -> None:
    assert is_disabled(entry(cn="Jane"), MOMENT) is False
