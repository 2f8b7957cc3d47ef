"""Random desired states, one after another, against a plain model of what a source's users then are."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.directories import absences, counts, reconcile, row, states
from tests.service import running

PEOPLE = "abcdef"
NAMES = ("Old", "New")
# Whom a source names, and as what; whether somebody is said to have left; what becomes of the missing.
SOURCES = st.dictionaries(st.sampled_from(PEOPLE), st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=1)
RUNS = st.tuples(SOURCES, st.sampled_from(("KEEP", "DEACTIVATE")), st.integers(1, 3), st.integers(0, 3), st.booleans())


@dataclass
class Model:
    """What is known of each user: name, state, absences in a row, and whether a run deactivated them."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, source: Mapping[str, tuple[str, bool]], missing: str, before: int, most: int, dry: bool) -> Any:
        """The state that the run ends in, with its counts."""
        known = [who for who, user in self.users.items() if user["state"] == "ACTIVE"]
        found: dict[str, int] = {}
        after = {who: dict(user) for who, user in self.users.items()}
        for who, (name, left) in source.items():
            action = self._named(after, who, name, left)
            found[action] = found.get(action, 0) + 1
        if len(source) < len(known) - most:
            return "REFUSED", found
        for who in known:
            if who not in source:
                after[who]["absences"] += 1
                goes = missing == "DEACTIVATE" and after[who]["absences"] >= before
                if goes:
                    after[who] |= {"state": "DEACTIVATED", "by_job": True}
                action = "deactivate" if goes else "absent"
                found[action] = found.get(action, 0) + 1
        if found.get("deactivate", 0) > most:
            return "REFUSED", found
        if not dry:
            self.users = after
        return "DONE", found

    def _named(self, users: dict[str, dict[str, Any]], who: str, name: str, left: bool) -> str:
        state = "DEACTIVATED" if left else "ACTIVE"
        if who not in users:
            users[who] = {"name": name, "state": state, "absences": 0, "by_job": left}
            return "create"
        user = users[who]
        before = dict(user)
        user |= {"name": name, "absences": 0}
        if before["state"] == "ACTIVE" and left:
            user |= {"state": "DEACTIVATED", "by_job": True}
            return "deactivate"
        if before["state"] == "DEACTIVATED" and not left and before["by_job"]:
            user |= {"state": "ACTIVE", "by_job": False}
            return "reactivate"
        return "update" if name != before["name"] else "unchanged"


async def _replay(url: str, runs: list[Any]) -> None:
    model = Model()
    async with running(url) as service:
        service.app.state.background._stopping.set()
        for source, missing, before, most, dry in runs:
            rows = [
                row(who, name=name, **({"isActive": False} if left else {})) for who, (name, left) in source.items()
            ]
            options = {"missing": missing, "absencesBefore": before, "maxDeactivations": {"users": most}}
            job = await reconcile(service, *rows, dryRun=dry, **options)
            assert (job["state"], counts(job)) == model.run(source, missing, before, most, dry)
            assert await states(service) == {who: user["state"] for who, user in sorted(model.users.items())}
            assert await absences(service) == {
                who: (user["absences"], user["by_job"]) for who, user in sorted(model.users.items())
            }


def test_any_sequence_of_desired_states_gives_what_the_model_says(sqlite_template: Path) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(RUNS, min_size=1, max_size=5))
    def check(runs: list[Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "usergraph.sqlite3"
            shutil.copyfile(sqlite_template, file)
            asyncio.run(_replay(f"sqlite://{file}", runs))

    check()
