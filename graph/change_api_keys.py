"""createApiKey and revokeApiKeys in the schema."""

import strawberry

from graph.api_keys import ApiKey
from graph.fields import mutation, plain, record, to_one
from graph.inputs import DateTime
from graph.payloads import NO_RESULTS, BulkChanging, BulkPayload, Changing, Payload, RowResult, given, needed
from graph.roles import RightEnum
from resolvers import api_keys as api_keys_read
from resolvers import change_api_keys


@strawberry.input(description="A new key.")
class CreateApiKeyInput(Changing):
    name: str = needed("What to call it.")
    user_id: strawberry.ID | None = given("Whose it is; yours if not said.")
    permissions: list[RightEnum] | None = given("Rights to narrow it to.")
    expires_at: DateTime | None = given("When it stops working; never if not said.")


@strawberry.type(description="The new key with its secret, which is told only now.")
class CreateApiKeyPayload(Payload):
    api_key: ApiKey | None = to_one(lambda: api_keys_read.SOURCE, "apiKey", "The new key.")
    secret: str | None = plain("What to send in X-ApiKey; null in a dry run.")


@strawberry.input(description="Names keys; one or many.")
class RevokeApiKeysInput(BulkChanging):
    ids: list[strawberry.ID] = needed("Typed ids of keys.")


@strawberry.type(description="What became of one key.")
class RevokedKeyResult(RowResult):
    api_key: ApiKey | None = to_one(lambda: api_keys_read.SOURCE, "apiKey", "The key as it is now.")


@strawberry.type(description="A result for every key, in the order of the input.")
class RevokeApiKeysPayload(BulkPayload):
    results: list[RevokedKeyResult] = record("One for each key.", many=True)


@strawberry.type
class ApiKeyMutations:
    create_api_key: CreateApiKeyPayload = mutation(
        change_api_keys.create_api_key,
        CreateApiKeyInput,
        "Make a key, for yourself or, with MANAGE_API_KEYS, for another; never wider than your own rights.",
        empty={"apiKey": None, "secret": None},
    )
    revoke_api_keys: RevokeApiKeysPayload = mutation(
        change_api_keys.revoke_api_keys,
        RevokeApiKeysInput,
        "Keys stop working at once: your own, or with MANAGE_API_KEYS those of others.",
        empty=NO_RESULTS,
    )
