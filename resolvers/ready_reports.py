"""The reports that every directory comes with: rows like any other, kept as this version of the service has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models import bulk
from models.database import Transaction
from models.saved_reports import SavedReport
from models.values import from_json, key


@dataclass(frozen=True)
class Ready:
    name: str
    description: str
    document: str
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "document": self.document.strip() + "\n",
            "variables": dict(self.variables),
        }


_TABLE = "columns { name title kind isMeasure } rows total hasMore"
READY = (
    Ready(
        "dormant-accounts",
        "Active users who have neither signed in nor used a key since then: 90 days ago if not said.",
        """
query DormantAccounts($since: DateTime!, $first: Int) {
  users(
    first: $first
    where: {
      state: { eq: ACTIVE }
      createdAt: { before: $since }
      and: [
        { or: [{ lastLoginAt: { before: $since } }, { lastLoginAt: { isNull: true } }] }
        { or: [{ lastApiRequestAt: { before: $since } }, { lastApiRequestAt: { isNull: true } }] }
      ]
    }
    orderBy: [{ field: LAST_LOGIN_AT }]
  ) {
    nodes { id name email role { name } identityProvider { name } lastLoginAt lastApiRequestAt createdAt }
  }
}
""",
        {"since": "-P90D"},
    ),
    Ready(
        "last-use",
        "How long ago active users last signed in or used a key, by role.",
        f"""
query LastUse {{
  userReport(
    where: {{ state: {{ eq: ACTIVE }} }}
    groupBy: [{{ field: LAST_USE_AGE }}, {{ field: ROLE }}]
    measures: [{{ measure: COUNT }}, {{ measure: SHARE }}]
  ) {{
    {_TABLE}
  }}
}}
""",
    ),
    Ready(
        "posture",
        "Active users by role, and how many have no second factor, no valid password, only API keys, or no group.",
        f"""
query Posture {{
  userReport(
    where: {{ state: {{ eq: ACTIVE }} }}
    groupBy: [{{ field: ROLE }}]
    measures: [
      {{ measure: COUNT, as: "users" }}
      {{ measure: COUNT, as: "noSecondFactor", where: {{ is2faEnabled: {{ eq: false }} }} }}
      {{ measure: COUNT, as: "noValidPassword", where: {{ hasValidPassword: {{ eq: false }} }} }}
      {{ measure: COUNT, as: "apiOnly", where: {{ isApiOnly: {{ eq: true }} }} }}
      {{ measure: COUNT, as: "inNoGroup", where: {{ groups: {{ none: {{}} }} }} }}
    ]
  ) {{
    {_TABLE}
  }}
}}
""",
    ),
    Ready(
        "access-by-organization",
        "Active users by organization and role, with those who have no second factor and the last sign-in.",
        f"""
query AccessByOrganization($level: Int, $first: Int = 10000) {{
  userReport(
    where: {{ state: {{ eq: ACTIVE }} }}
    groupBy: [{{ field: ORGANIZATION, level: $level }}, {{ field: ROLE }}]
    measures: [
      {{ measure: COUNT, as: "users" }}
      {{ measure: COUNT, as: "noSecondFactor", where: {{ is2faEnabled: {{ eq: false }} }} }}
      {{ measure: LAST, of: LAST_LOGIN_AT, as: "lastLogin" }}
    ]
    orderBy: [{{ column: "organization" }}, {{ column: "users", direction: DESC }}]
    first: $first
  ) {{
    {_TABLE}
  }}
}}
""",
    ),
)


async def ensure(tx: Transaction, moment: datetime) -> None:
    """Make the ready reports what they are in this version. A name that somebody has taken before stays theirs."""
    wanted = {key(each.name): each.columns for each in READY}
    among = tx.dialect.among("name_key", "$1", "text")
    rows = await tx.rows(
        "SELECT name_key, id, is_built_in, version, description, document, variables FROM saved_reports"
        f" WHERE is_built_in OR {among}",
        list(wanted),
    )
    taken = {row[0] for row in rows}
    gone, changed = [], []
    for normal, id, is_built_in, version, *said in rows:
        if is_built_in and normal not in wanted:
            gone.append(id)
        elif is_built_in and _differs(said, wanted[normal]):
            changed.append({**wanted[normal], "id": id, "updated_at": moment, "version": version + 1})
    new = [{**row, "name_key": normal, **_new(moment)} for normal, row in wanted.items() if normal not in taken]
    await bulk.delete(tx, SavedReport, gone)
    await bulk.insert(tx, SavedReport, new)
    await bulk.update(tx, SavedReport, changed)


def _new(moment: datetime) -> dict[str, Any]:
    return {"owner_id": None, "is_built_in": True, "created_at": moment, "updated_at": moment, "version": 1}


def _differs(said: Sequence[Any], row: Mapping[str, Any]) -> bool:
    description, document, variables = said
    return (description, document, from_json(variables)) != (row["description"], row["document"], row["variables"])
