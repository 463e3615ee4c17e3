"""A GitHub App for tests: its key, its settings, and a world that knows it."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from agent.wiring import SANDBOX_JULES_KEY
from mcp_server.sandbox.apps import App
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.world import World
from mcp_server.settings import Settings

APP_ID = "314159"
OURS = "the App's"


@cache
def key(which: str) -> RSAPrivateKey:
    """Return a key made for this run, always the same for one name."""
    del which
    return generate_private_key(public_exponent=65537, key_size=2048)


def pem(which: str = OURS) -> str:
    """Return it as GitHub hands it out."""
    form = PrivateFormat.TraditionalOpenSSL
    return key(which).private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def public_pem() -> str:
    """Return what GitHub keeps of it."""
    form = PublicFormat.SubjectPublicKeyInfo
    return key(OURS).public_key().public_bytes(Encoding.PEM, form).decode()


def settings(**changes: object) -> Settings:
    """Return what an operator with an App says."""
    said: dict[str, object] = {
        "allowance": CALM.allowance,
        "jules_api_key": SecretStr(SANDBOX_JULES_KEY),
        "github_app_id": APP_ID,
        "github_app_key": SecretStr(pem()),
    }
    return Settings.model_validate({**said, **changes})


def install(world: World, *, organization: bool = True) -> App:
    """Make the App known to a world that has no other token, and return it."""
    github = world.github
    github.tokens.clear()
    github.organization = organization
    github.app = App(id=APP_ID, public_key=public_pem())
    return github.app
