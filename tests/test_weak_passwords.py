"""What may become a password, wherever one is set: whole, long enough, and not guessable."""

from threading import current_thread
from typing import Any

import pytest
from zxcvbn import zxcvbn

from models.errors import WeakPassword
from resolvers import strength
from resolvers.changes import Before
from resolvers.policy import NOBODY
from resolvers.strength import check_password
from tests.cast import PASSWORD
from tests.factors import DISABLE as TURN_OFF
from tests.factors import begin, call, code, enroll
from tests.mutations import acceptance, input_type, reset
from tests.server import rows, usergraph
from tests.service import Service, codes

CHANGE = """mutation($input: ChangePasswordInput!) { changePassword(input: $input) { errors { code message path } } }"""
EASY = "This password is easy to guess."
LONG = "A password has at least 15 characters."
RANDOM = "kx7!mQ2v"  # eight characters that a program chose


async def change(service: Service, new: str, user: str = "user_9", who: str = "admin", **more: Any) -> list[Any]:
    given = {"id": user, "newPassword": new, **more}
    errors: list[Any] = (await service.data(CHANGE, {"input": given}, who=who))["changePassword"]["errors"]
    return errors


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("testpassword", LONG),
        ("testpasswordtestpassword", f"{EASY} Repeats like"),
        ("P@ssw0rd12345678", f"{EASY} This is similar to a commonly used password. Add another word or two."),
        ("qwertyuiopasdfghjkl", EASY),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", f"{EASY} Repeats like"),
        ("abcdefghijklmnopqrstuvwxyz", EASY),
        ("usergraphusergraph", EASY),
        ("outsider@usergraph.test", "This password is a name or an address of yours."),
        ("Outsider@UserGraph.Test ", "This password is a name or an address of yours."),
        ("outsideroutsider1", EASY),
        ("plum violin 41", LONG),
        ("violet harbour " * 70, "A password has at most 1024 bytes."),
        ("ж" * 513, "A password has at most 1024 bytes."),
    ],
)
async def test_a_weak_password_is_refused_and_says_what_to_do(service: Service, new: str, said: str) -> None:
    (error,) = await change(service, new)
    assert (error["code"], error["path"]) == ("WEAK_PASSWORD", ["newPassword"])
    assert error["message"].startswith(said), error["message"]


@pytest.mark.parametrize(
    "new",
    [
        "correct horse battery staple",
        "plum violin har",
        "пароль для всех людей",
        "🎻 und 🫐 im Hafen 41",
        "9f3Kd0-pQ7zLm2w",
        "violet harbour " * 68,
    ],
)
async def test_a_good_password_is_taken(service: Service, new: str) -> None:
    assert await change(service, new) == []


async def test_the_longest_password_is_taken_whole(service: Service) -> None:
    longest = ("plum violin harbour 41 " * 50)[:1023]
    assert await change(service, longest + "a", "user_4") == []
    for current, expected in ((longest + "b", ["WRONG_PASSWORD"]), (longest, ["WRONG_PASSWORD"]), (longest + "a", [])):
        errors = await change(service, "amber ladder quiet 77", "user_4", "normal", currentPassword=current)
        assert codes(errors) == expected


async def test_neither_half_a_character_nor_none_is_one(service: Service) -> None:
    """They cannot come by HTTP; a file or a library could bring them."""
    services = service.app.state.services
    before = Before(NOBODY, services.settings, services.hasher, services.database, services.sealer)
    for bad, said in (("\ud800", "whole characters"), ("\0", "no NUL")):
        with pytest.raises(WeakPassword, match=said):
            await check_password(before, f"plum violin harbour {bad}", "password")


async def test_who_has_a_second_factor_may_have_a_shorter_one(service: Service) -> None:
    assert [error["message"][:38] for error in await change(service, RANDOM, "user_4")] == [LONG[:38]]
    secret, _ = await enroll(service)
    assert codes(await change(service, "testpassword", "user_4")) == ["WEAK_PASSWORD"]
    assert codes(await change(service, "kx7!mQ2", "user_4")) == ["WEAK_PASSWORD"]
    assert await change(service, RANDOM, "user_4") == []
    short = await call(service, TURN_OFF, code=code(secret), currentPassword=RANDOM)
    (error,) = short["errors"]
    assert (error["code"], error["path"]) == ("WEAK_PASSWORD", ["currentPassword"])
    assert error["message"].startswith("Change your password first, as it is too weak without a second factor.")
    assert await change(service, PASSWORD, "user_4") == []
    assert (await call(service, TURN_OFF, code=code(secret), currentPassword=PASSWORD))["errors"] == []


async def test_an_unconfirmed_second_factor_changes_nothing(service: Service) -> None:
    await begin(service)
    assert codes(await change(service, RANDOM, "user_4")) == ["WEAK_PASSWORD"]


async def test_the_lengths_are_settings(service_with: Any) -> None:
    async with service_with(password_length=8, password_length_with_factor=12) as service:
        assert await change(service, "plum violin") == []
        assert codes(await change(service, "testpassword")) == ["WEAK_PASSWORD"]
        await enroll(service)
        assert codes(await change(service, "plum violin", "user_4")) == ["WEAK_PASSWORD"]


@pytest.mark.parametrize("weak", ["testpassword", "testpasswordtestpassword"])
async def test_all_ways_to_a_password_refuse_a_weak_one(service: Service, weak: str) -> None:
    await service.write("UPDATE users SET totp_secret = 'x', totp_enabled_at = created_at WHERE id = 8")
    local = {"local": {"password": weak}}
    new = {"username": "new", "email": "new@x.test", "name": "New", "role": {"name": "IT"}, "authentication": local}
    calls = {
        "createUser": new,
        "upsertUsers": {"users": [{"email": "new@x.test", "authentication": local}]},
        "acceptInvitation": {**await acceptance(service), "password": weak},
        "resetPassword": {**await reset(service), "newPassword": weak},
        "changePassword": {"id": "user_8", "newPassword": weak},
    }
    for name, given in calls.items():
        shown = "results { errors { code } }" if name == "upsertUsers" else "errors { code }"
        document = f"mutation($input: {input_type(name)}!) {{ {name}(input: $input) {{ {shown} }} }}"
        answer = (await service.data(document, {"input": given}))[name]
        errors = answer["results"][0]["errors"] if name == "upsertUsers" else answer["errors"]
        assert codes(errors) == ["WEAK_PASSWORD"], name


def test_an_import_refuses_the_sample_that_another_platform_suggests(tmp_path: Any) -> None:
    usergraph(tmp_path, "admin", "key", "admin")
    file = tmp_path / "people.csv"
    file.write_text("email,password\na@x.test,testpassword\nb@x.test,plum violin harbour 41\n")
    done = usergraph(tmp_path, "import", str(file), password_length=8)
    assert done.returncode == 3
    assert "This password is easy to guess." in done.stderr
    assert "testpassword" not in done.stdout + done.stderr
    assert rows(tmp_path, "SELECT email FROM users WHERE password_hash IS NOT NULL") == [("b@x.test",)]


async def test_an_unknown_link_makes_nothing_slow_happen(service: Service) -> None:
    hasher = service.app.state.services.hasher
    hasher.close()  # whatever is hashed or weighed now fails
    for name, field in (("resetPassword", "newPassword"), ("acceptInvitation", "password")):
        document = f"mutation($input: {input_type(name)}!) {{ {name}(input: $input) {{ errors {{ code }} }} }}"
        given = {"token": "guess", field: "4@8([<6931!10$57%2+|" * 50}
        assert (await service.data(document, {"input": given}, who=None))[name]["errors"] == [{"code": "INVALID_TOKEN"}]


async def test_weighing_a_spiteful_password_is_bounded_and_off_the_event_loop(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made of what zxcvbn takes longest over."""
    weighed: list[tuple[int, str]] = []

    def watched(password: str, about: list[str]) -> Any:
        weighed.append((len(password), current_thread().name))
        return zxcvbn(password, about)

    monkeypatch.setattr(strength, "zxcvbn", watched)
    spiteful = "4@8([<6931!10$57%2+|" * 51
    assert await change(service, spiteful) == []
    ((length, thread),) = weighed
    assert length == 40
    assert thread.startswith("argon2")
