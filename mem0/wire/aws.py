"""Amazon Bedrock's runtime: where credentials come from, how a client is made, and what its errors mean.

LLMs and embedders share this.  What is not given as an option, boto3 finds as it always does: ``AWS_PROFILE``,
``AWS_ACCESS_KEY_ID``, ``AWS_DEFAULT_REGION``, ``~/.aws``, the machine's role, and so on.  Two variables that only
newer or other SDKs of AWS read count too: ``AWS_REGION`` and ``AWS_BEARER_TOKEN_BEDROCK``.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import botocore.session
from botocore import UNSIGNED
from botocore import exceptions as aws
from botocore.config import Config
from botocore.parsers import ResponseParserError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mem0.exceptions import ConfigError, EmbeddingError, ProviderError
from mem0.text import clean, without_login
from mem0.wire.connection import (
    MEANING_OF_PROXIES,
    Proxies,
    Seconds,
    Secret,
    check_address,
    checked_key,
    proxy_for,
    with_older_names,
)
from mem0.wire.failures import Failure, Vendor, hidden, shown_cause
from mem0.wire.retries import Patience

Answer = TypeVar("Answer")

_OLDER_NAMES = {"aws_region": "region", "aws_profile": "profile", "base_url": "endpoint_url"}

CREDENTIALS = (
    "aws_access_key_id and aws_secret_access_key, profile, or api_key in the config; or what boto3 finds: "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, the files that `aws configure` writes, the machine's "
    "role; or AWS_BEARER_TOKEN_BEDROCK"
)

_BEDROCK = Vendor(
    "aws_bedrock",
    "AWS Bedrock",
    key="AWS_BEARER_TOKEN_BEDROCK",
    ending="",
    model="global.anthropic.claude-sonnet-5-5",
    embedder="amazon.titan-embed-text-v2:0",
    key_help=CREDENTIALS,
)

# Where boto3 looks for credentials without asking anybody, and where it asks the network at once.
_AT_HAND = ("env", "shared-credentials-file", "config-file")
_FROM_THE_NETWORK = ("container-role", "iam-role")
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")

# boto3 makes clients of its default session safely only one after another.
_making = threading.Lock()

# Codes of AWS that mean "who are you?"; it answers them with 403 (or 400), others say 401.
_UNKNOWN_CALLER = (
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException")
# What may pass although its status (400, 424) does not say so.
_PASSING = ("ModelErrorException", "ModelNotReadyException", "ModelTimeoutException", "ServiceQuotaExceededException")
_NO_SUCH_MODEL = re.compile(r"model identifier is invalid|end of its life|model (?:id )?\S* ?(?:was )?not found", re.I)
_TOO_LONG = re.compile(r"too long|too many (?:input )?tokens|context (?:length|window)", re.I)

# What goes wrong while credentials are fetched or renewed, on the way to a request.
_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    getattr(aws, "LoginError", aws.SSOError),  # since 1.41
)

# What botocore trips over in an answer of another shape: it says so of some, and merely fails on others.
_STRANGE = (ResponseParserError, AttributeError, LookupError, TypeError, ValueError)


class AWSConnection(BaseModel):
    """Options of whatever talks to Amazon Bedrock."""

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    region: str | None = Field(
        default=None,
        min_length=1,
        description="The region, such as `us-east-1`. Older name: `aws_region`. Default: what boto3 finds "
        "(`AWS_DEFAULT_REGION`, the profile), else `AWS_REGION`.",
    )
    profile: str | None = Field(
        default=None,
        min_length=1,
        description="A profile of `~/.aws`. Older name: `aws_profile`. Default: `AWS_PROFILE`, else `default`.",
    )
    aws_access_key_id: Secret | None = Field(
        default=None, description="An access key, with `aws_secret_access_key`. Default: what boto3 finds."
    )
    aws_secret_access_key: Secret | None = Field(default=None, description="The secret of the access key.")
    aws_session_token: Secret | None = Field(default=None, description="The token of temporary credentials.")
    api_key: Secret | None = Field(
        default=None,
        description="A key of Bedrock's own, in place of AWS credentials. Default: `AWS_BEARER_TOKEN_BEDROCK`, unless "
        "an access key or a profile is given.",
    )
    endpoint_url: str | None = Field(
        default=None,
        min_length=1,
        repr=False,  # it may hold a password
        description="Another address, such as a private endpoint's or a gateway's. Also: `base_url`. Default: what "
        "boto3 finds (`AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, the profile), else the region's.",
    )
    timeout: Seconds = Field(default=60.0, description="Seconds without an answer after which a request fails.")
    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a request is sent again after throttling, 408, 409, 5xx, a lost connection or an answer "
        "that was cut off.",
    )

    http_client_proxies: Proxies | None = Field(default=None, description=MEANING_OF_PROXIES)

    @field_validator("endpoint_url")
    @classmethod
    def _is_address(cls, given: str | None) -> str | None:
        if given is not None:
            check_address(given)
        return given

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        return with_older_names(values, _OLDER_NAMES)

    @model_validator(mode="after")
    def _whole(self) -> AWSConnection:
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("aws_access_key_id and aws_secret_access_key belong together; give both or none")
        if self.aws_session_token is not None and self.aws_access_key_id is None:
            raise ValueError("aws_session_token belongs to an access key; give aws_access_key_id too")
        if self.api_key is not None and self.aws_access_key_id is not None:
            raise ValueError("api_key and aws_access_key_id are two ways in; give one")
        return self

    def bearer(self) -> str | None:
        """Return Bedrock's own key, where that is the way in."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        if self.aws_access_key_id is not None or self.profile is not None:
            return None
        key = os.environ.get("AWS_BEARER_TOKEN_BEDROCK")
        return checked_key(_BEDROCK, key) if key else None

    def proxies(self) -> dict[str, str] | None:
        """Return the proxies, as botocore has them; ``None`` leaves them to the environment."""
        found = {scheme: proxy_for(self.http_client_proxies, scheme) for scheme in ("http", "https")}
        return {scheme: proxy for scheme, proxy in found.items() if proxy is not None} or None

    def keys(self) -> dict[str, str]:
        """Return the credentials that were given, as boto3 names them."""
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        given = {name: getattr(self, name) for name in names}
        return {name: secret.get_secret_value() for name, secret in given.items() if secret is not None}


class BedrockRuntime:
    """A client of Bedrock's runtime; safe to share between threads.

    It is made at once where its credentials are at hand: given, in the environment, or in the files of the profile.
    All else boto3 may have to ask the network for (a machine's role, a token of SSO), so it waits for the first use.

    Args:
        options: Whom to talk to, and how.
        sdk: Returns ``boto3``, looked up when it is needed.

    Attributes:
        region: The region that is asked.
        where: What to call the place that is asked.

    Raises:
        ConfigError: There is no region, there are no credentials, or the options cannot be used.
    """

    def __init__(self, options: AWSConnection, sdk: Callable[[], Any]) -> None:
        self._options = options
        self._sdk = sdk
        self._bearer = options.bearer()
        self._lock = threading.Lock()
        self._client: Any = None
        self._is_closed = False
        with self._as_config_errors():
            self._session = self._found_session()
            self.region = options.region or self._session.region_name or os.environ.get("AWS_REGION")
            is_at_hand = bool(self._bearer or options.keys()) or _known_at_hand(self._session)
        if not self.region:
            raise ConfigError(
                "provider 'aws_bedrock' has no region: give region in its config, set AWS_DEFAULT_REGION, or "
                "name one in the profile"
            )
        self.where = self.region if options.endpoint_url is None else without_login(options.endpoint_url)
        if is_at_hand:
            _ = self.client

    @property
    def client(self) -> Any:
        """The client of boto3.

        Raises:
            ClosedError: It was closed.
            ConfigError: There are no credentials.
        """
        with self._lock:
            self._require_open()
            if self._client is None:
                with _making, self._as_config_errors():
                    self._client = self._made()
            return self._client

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return _BEDROCK.asked(model, self.where)

    def close(self) -> None:
        """Release its connections; a second time does nothing."""
        with self._lock:
            self._is_closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def call(self, kind: type[ProviderError], model: str, send: Callable[[Any], Answer]) -> Answer:
        """Send a request, again where that may help.

        Args:
            kind: Which of our errors to raise.
            model: The model that is asked.
            send: Sends it once, with boto3's client.
        """
        patience = Patience(self._options.max_retries)
        while True:
            client = self.client
            try:
                return send(client)
            except (aws.ClientError, aws.BotoCoreError, *_STRANGE) as error:
                time.sleep(self._pause_after(error, kind, model, patience))

    def invoke(self, kind: type[ProviderError], model: str, request: Mapping[str, Any]) -> Any:
        """Send a request in the model's own form, again where that may help, and return what it answers.

        Args:
            kind: Which of our errors to raise.
            model: The model that is asked.
            request: The request; it, and the answer, are JSON.
        """
        body = clean(json.dumps(request, ensure_ascii=False)).encode()
        form = "application/json"

        def send(client: Any) -> Any:
            response = client.invoke_model(modelId=model, body=body, contentType=form, accept=form)
            with closing(response["body"]) as stream:
                return json.loads(stream.read())

        return self.call(kind, model, send)

    def _require_open(self) -> None:
        if self._is_closed:
            raise _BEDROCK.closed(self.where)

    def _pause_after(self, error: Exception, kind: type[ProviderError], model: str, patience: Patience) -> float:
        """Return the seconds to wait before another try, or raise an error of ours where none is to follow."""
        self._require_open()  # else whatever came of closing would be told as a lost connection
        secrets = self._secrets()

        def shown(text: str) -> str:
            return without_login(hidden(text, secrets))

        failure = _failure(error, shown, kind)
        failed = failure.told(kind, _BEDROCK, model, self.where)
        # A refused signature is quoted with all that was signed, the token of the session included.
        cause = None if failure.status == 401 else shown_cause(error, shown)
        return patience.after(failed, cause, failure.retry_after)

    def _found_session(self) -> Any:
        sdk = self._sdk()
        if self._options.profile is not None:
            return sdk.Session(profile_name=self._options.profile)
        with _making:
            if sdk.DEFAULT_SESSION is None:
                sdk.setup_default_session()
            return sdk.DEFAULT_SESSION

    def _made(self) -> Any:
        options, bearer, keys = self._options, self._bearer, self._options.keys()
        if not bearer and not keys and self._session.get_credentials() is None:
            raise ConfigError(f"provider 'aws_bedrock' has no credentials: give {CREDENTIALS}")
        signature: Any = None
        if bearer:
            signature = UNSIGNED
        elif keys or options.profile is not None:
            signature = "v4"  # else newer versions let AWS_BEARER_TOKEN_BEDROCK win over what was given
        # Not `self._session.client` in any case: users patch `boto3.client`.
        make = self._sdk().client if options.profile is None else self._session.client
        client = make(
            "bedrock-runtime",
            region_name=self.region,
            endpoint_url=options.endpoint_url,
            config=Config(
                signature_version=signature,
                connect_timeout=options.timeout,
                read_timeout=options.timeout,
                proxies=options.proxies(),
                # It knows fewer reasons to send a request again than there are, so that is done here.
                retries={"total_max_attempts": 1, "mode": "standard"},
            ),
            **keys,
        )
        if isinstance(client.meta.endpoint_url, str):  # a double has none
            check_address(client.meta.endpoint_url)  # boto3 found it, and looks at it only when it connects
        if bearer:
            # Not by botocore's own support: it reads the key from the environment only, and since 1.39 only.
            client.meta.events.register("before-sign.bedrock-runtime", _bearing(bearer))
        return client

    def _secrets(self) -> list[str | None]:
        """Return what must not be told, as far as it is sent at all."""
        if self._bearer or self._options.keys():
            return [self._bearer, *self._options.keys().values()]
        try:
            token = getattr(self._session.get_credentials(), "token", None)
        except aws.BotoCoreError:  # it would have to be renewed, and cannot: then none was sent
            token = None
        return [token if isinstance(token, str) else None]

    @contextmanager
    def _as_config_errors(self) -> Iterator[None]:
        """Let what cannot be used leave the block as our error; addresses in it may hold a password."""
        try:
            yield
        except ConfigError:
            raise
        except (aws.BotoCoreError, ValueError) as error:
            said = without_login(hidden(f"{type(error).__name__}: {error}", [*self._options.keys().values()]))
            raise ConfigError(f"provider 'aws_bedrock' cannot be set up: {said}") from None


def _known_at_hand(session: Any) -> bool:
    """Tell whether boto3 finds credentials, or that there are none, without asking the network."""
    if not isinstance(session._session, botocore.session.Session):
        return True  # boto3 is a double, as in many a test
    chain = session._session.get_component("credential_provider").providers
    if any(source.METHOD in _AT_HAND and source.load() is not None for source in chain):
        return True
    is_off = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    in_container = any(os.environ.get(name) for name in _CONTAINER)
    return (is_off and not in_container) or not any(source.METHOD in _FROM_THE_NETWORK for source in chain)


def _bearing(key: str) -> Callable[..., None]:
    def bear(request: Any, **_: Any) -> None:
        request.headers["Authorization"] = f"Bearer {key}"

    return bear


def _failure(error: Exception, shown: Callable[[str], str], kind: type[ProviderError]) -> Failure:
    """Return what an error of the SDK says in our terms."""
    if not isinstance(error, aws.ClientError):
        said = shown(str(error))
        if isinstance(error, _STRANGE):
            return Failure.unread(_BEDROCK, "endpoint_url")
        if isinstance(error, _NO_CREDENTIALS):
            return Failure(said, cause=f"no usable credentials ({said}): log in again, or give {CREDENTIALS}")
        timed_out = isinstance(error, (aws.ReadTimeoutError, aws.ConnectTimeoutError))
        unreached = isinstance(error, (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError))
        return Failure(said, timed_out=timed_out, unreached=unreached and not timed_out)
    code = str(error.response.get("Error", {}).get("Code"))
    said = shown(str(error.response.get("Error", {}).get("Message") or error))
    answer = error.response.get("ResponseMetadata", {})
    status, cause, ours = answer.get("HTTPStatusCode"), None, None
    if code in _EXPIRED:
        status, cause = 401, f"401, the credentials have expired: log in again (`aws sso login`), or give {CREDENTIALS}"
    elif code in _UNKNOWN_CALLER:
        status = 401
    elif status == 403:
        cause = (
            f"403, these credentials may not use it ({said[:500]}): ask for access to the model in the Bedrock console "
            "of this region, and have bedrock:InvokeModel allowed"
        )
    elif status == 404 or (code == "ValidationException" and _NO_SUCH_MODEL.search(said)):
        status = 404
        cause = (
            f"404, this region has no such model, or no more ({said[:500]}): name another model or inference profile, "
            f"such as {_BEDROCK.embedder if kind is EmbeddingError else _BEDROCK.model!r}"
        )
    elif code in _PASSING:
        cause = f"{status}, {code}: {said[:500]}: try again later"
    elif code == "ValidationException" and _TOO_LONG.search(said):
        ours = "context_length_exceeded"
        if kind is EmbeddingError:
            cause = f"400, a text is too long for this model ({said[:500]}): lower max_input_chars"
    asked = answer.get("HTTPHeaders", {}).get("retry-after")
    return Failure(said, status, ours, asked, cause=cause, passing=code in _PASSING)
