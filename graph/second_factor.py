"""The second factor in the schema: one's own, and another's that was lost."""

from typing import Any

import strawberry

from graph.fields import mutation, plain
from graph.payloads import (
    NO_RESULTS,
    Changing,
    Payload,
    UserIdsInput,
    UserResultsPayload,
    given,
    needed,
    own_input,
    own_payload,
)
from resolvers import change_second_factor as resolve


@strawberry.input(description="What proves that it is you.")
class EnrollSecondFactorInput(Changing):
    current_password: str | None = given("Your password; needed if there is one.")
    code: str | None = given("A code of the second factor that is to be replaced; needed if one is turned on.")


@strawberry.type(description="What an authenticator needs, shown once.")
class EnrollSecondFactorPayload(Payload):
    secret: str | None = plain("The secret, for typing; null in a dry run.")
    otpauth_uri: str | None = plain("The same as an address to show as a QR code; null in a dry run.")


@strawberry.input(description="A code.")
class CodeInput(Changing):
    code: str = needed("The six digits that your authenticator shows.")


@strawberry.input(description="What proves that it is you.")
class DisableSecondFactorInput(Changing):
    code: str = needed("A code of your authenticator, or a recovery code.")
    current_password: str | None = given("Your password; needed if there is one.")


@strawberry.type(description="Recovery codes, shown once.")
class RecoveryCodesPayload(Payload):
    recovery_codes: list[str] = plain("Each stands in for a code once. None in a dry run.")


@strawberry.type(description="Whether it is off.")
class DisableSecondFactorPayload(Payload):
    is_2fa_enabled: bool | None = plain("False once it is off; null where it was refused.", name="is2faEnabled")


ConfirmSecondFactorInput: Any = own_input(CodeInput, "ConfirmSecondFactorInput")
RegenerateRecoveryCodesInput: Any = own_input(CodeInput, "RegenerateRecoveryCodesInput")
ConfirmSecondFactorPayload: Any = own_payload(RecoveryCodesPayload, "ConfirmSecondFactorPayload")
RegenerateRecoveryCodesPayload: Any = own_payload(RecoveryCodesPayload, "RegenerateRecoveryCodesPayload")
ResetSecondFactorInput: Any = own_input(UserIdsInput, "ResetSecondFactorInput")
ResetSecondFactorPayload: Any = own_payload(UserResultsPayload, "ResetSecondFactorPayload")


@strawberry.type
class SecondFactorMutations:
    enroll_second_factor: EnrollSecondFactorPayload = mutation(
        resolve.enroll_second_factor,
        EnrollSecondFactorInput,
        "Begin to set up or replace your own second factor (TOTP). It is on once confirmSecondFactor has a code.",
        empty={"secret": None, "otpauthUri": None},
        prepare=resolve.prepare_enrolment,
    )
    confirm_second_factor: ConfirmSecondFactorPayload = mutation(
        resolve.confirm_second_factor,
        ConfirmSecondFactorInput,
        "Turn your second factor on, and get its recovery codes. Your other sessions end.",
        empty={"recoveryCodes": []},
        prepare=resolve.prepare_confirmation,
    )
    disable_second_factor: DisableSecondFactorPayload = mutation(
        resolve.disable_second_factor,
        DisableSecondFactorInput,
        "Turn your second factor off. Refused where your role demands one.",
        empty={"is2faEnabled": None},
        prepare=resolve.prepare_disabling,
    )
    regenerate_recovery_codes: RegenerateRecoveryCodesPayload = mutation(
        resolve.regenerate_recovery_codes,
        RegenerateRecoveryCodesInput,
        "Get new recovery codes; those before stop working.",
        empty={"recoveryCodes": []},
        prepare=resolve.prepare_code,
    )
    reset_second_factor: ResetSecondFactorPayload = mutation(
        resolve.reset_second_factor,
        ResetSecondFactorInput,
        "Take the second factor of others away who lost theirs; their sessions end. Needs SET_PASSWORDS.",
        empty=NO_RESULTS,
    )
