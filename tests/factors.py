"""An authenticator in the tests: enrolling people of the cast, and the codes that theirs would show."""

import time
from typing import Any

import pyotp

from tests.cast import PASSWORD
from tests.service import Service

ERRORS = "errors { code message path }"
ENROLL = f"""mutation($input: EnrollSecondFactorInput!) {{ enrollSecondFactor(input: $input) {{
  secret otpauthUri {ERRORS} }} }}"""
CONFIRM = f"""mutation($input: ConfirmSecondFactorInput!) {{ confirmSecondFactor(input: $input) {{
  recoveryCodes {ERRORS} }} }}"""
DISABLE = f"""mutation($input: DisableSecondFactorInput!) {{ disableSecondFactor(input: $input) {{
  is2faEnabled {ERRORS} }} }}"""
REGENERATE = f"""mutation($input: RegenerateRecoveryCodesInput!) {{ regenerateRecoveryCodes(input: $input) {{
  recoveryCodes {ERRORS} }} }}"""
RESET = """mutation($input: ResetSecondFactorInput!) { resetSecondFactor(input: $input) {
  results { ref action changedFields errors { code path } } errors { code path } } }"""


def code(secret: str, steps: int = 0) -> str:
    """The code of now, or of so many steps of 30 seconds later."""
    return pyotp.TOTP(secret).at(time.time(), counter_offset=steps)


def wrong(secret: str) -> str:
    """Six digits that are no code of these minutes."""
    near = {code(secret, steps) for steps in range(-4, 5)}
    return next(text for text in ("000000", *map(str, range(111111, 999999))) if text not in near)


async def call(service: Service, document: str, who: str = "normal", **given: Any) -> Any:
    (answer,) = (await service.data(document, {"input": given}, who=who)).values()
    return answer


async def begin(service: Service, who: str = "normal", **given: Any) -> str:
    """The secret of an enrolment that is not confirmed."""
    answer = await call(service, ENROLL, who, currentPassword=PASSWORD, **given)
    assert answer["errors"] == []
    secret: str = answer["secret"]
    return secret


async def enroll(service: Service, who: str = "normal") -> tuple[str, list[str]]:
    """A secret and recovery codes of a second factor that is on. The code of the step before now was used for it."""
    secret = await begin(service, who)
    answer = await call(service, CONFIRM, who, code=code(secret, -1))
    assert answer["errors"] == []
    return secret, answer["recoveryCodes"]
