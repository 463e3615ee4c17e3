"""Settings: the file holds preferences only; whatever could open a door comes by environment."""

from pathlib import Path

import pytest

from mcp_server.errors import SettingsError
from mcp_server.settings import Preferences, Settings, check_keys, load_settings


def load(directory: Path, text: str | None = None, /, **environ: str) -> Settings:
    """Load settings with this `factory.toml` and this environment."""
    if text is not None:
        (directory / "factory.toml").write_text(text, encoding="utf-8")
    return load_settings(environ, directory)


def test_nothing_said_means_the_pro_plan_and_the_real_services(tmp_path: Path):
    """And no key: what needs one says so when it is used."""
    found = load(tmp_path)
    assert (found.allowance, found.never_touch) == (100, ())
    assert found.jules_url == "https://jules.googleapis.com/v1alpha"
    assert found.github_url == "https://api.github.com"
    assert (found.jules_api_key, found.github_token, found.marker_key) == (None, None, None)


def test_the_file_may_lower_the_allowance_and_protect_repositories(tmp_path: Path):
    """Preferences: nothing there can move a token or widen a limit."""
    found = load(tmp_path, 'allowance = 12\nnever_touch = ["owner/tool"]\n')
    assert (found.allowance, found.never_touch) == (12, ("owner/tool",))


def test_the_environment_speaks_over_the_file(tmp_path: Path):
    """And may go above the default."""
    found = load(
        tmp_path, "allowance = 12\n", FACTORY_ALLOWANCE="300", FACTORY_NEVER_TOUCH="a/b,c/d"
    )
    assert (found.allowance, found.never_touch) == (300, ("a/b", "c/d"))


GUARDED = sorted(set(Settings.model_fields) - set(Preferences.model_fields))


@pytest.mark.parametrize("name", [*GUARDED, "state", "enable_delete", "Allowance"])
def test_the_file_may_say_nothing_else(tmp_path: Path, name: str):
    """It lies in a working directory that may be somebody else's (DESIGN.md section 5)."""
    with pytest.raises(SettingsError, match=name):
        load(tmp_path, f'{name} = "https://evil.example"\n')


@pytest.mark.parametrize(
    "text", ["allowance = 101\n", "allowance = 0\n", "allowance = -1\n", 'allowance = "many"\n']
)
def test_the_file_may_not_widen_the_allowance(tmp_path: Path, text: str):
    """Above the default only by environment."""
    with pytest.raises(SettingsError, match="allowance"):
        load(tmp_path, text)


@pytest.mark.parametrize("content", [b"allowance: 12\n", b'never_touch = ["\xff/x"]\n'])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes):
    """Never read as if it were not there."""
    (tmp_path / "factory.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"factory\.toml"):
        load(tmp_path)


def test_a_folder_in_the_files_place_is_an_error(tmp_path: Path):
    """What cannot be read is not taken for absent."""
    (tmp_path / "factory.toml").mkdir()
    with pytest.raises(SettingsError, match=r"factory\.toml"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "protected"),
    [("", ()), (" , ", ()), ("a/b, c/d", ("a/b", "c/d")), ("\ta/b ,", ("a/b",))],
)
def test_protected_repositories_are_listed_with_or_without_spaces(
    tmp_path: Path, text: str, protected: tuple[str, ...]
):
    """`" c/d"` would protect nothing."""
    assert load(tmp_path, FACTORY_NEVER_TOUCH=text).never_touch == protected


def test_repositories_to_be_audited_may_be_named_in_the_file_or_the_environment(tmp_path: Path):
    """A preference: an audit changes nothing."""
    assert load(tmp_path, 'audit = ["owner/tool"]\n').audit == ("owner/tool",)
    assert load(tmp_path, FACTORY_AUDIT="a/b, c/d").audit == ("a/b", "c/d")


@pytest.mark.parametrize("name", ["tool", "a/b/c", "a /b", "/b", "a/", "https://github.com/a/b"])
def test_a_protection_that_protects_nothing_is_an_error(tmp_path: Path, name: str):
    """It must not be quiet, wherever it is said."""
    with pytest.raises(SettingsError, match="never_touch"):
        load(tmp_path, FACTORY_NEVER_TOUCH=f"c/d,{name}")
    with pytest.raises(SettingsError, match="never_touch"):
        load(tmp_path, f'never_touch = ["{name}"]\n')


@pytest.mark.parametrize("value", ["0", "301", "-5", "ten", "", "1e2x"])
def test_an_unfit_allowance_in_the_environment_is_refused(tmp_path: Path, value: str):
    """Never replaced by the default."""
    with pytest.raises(SettingsError, match="allowance"):
        load(tmp_path, FACTORY_ALLOWANCE=value)


def test_searches_are_off_without_a_key_and_have_a_daily_cap(tmp_path: Path):
    """They cost money: neither stands in the file, and the cap has bounds."""
    assert (load(tmp_path).brave_api_key, load(tmp_path).brave_daily_queries) == (None, 30)
    found = load(tmp_path, BRAVE_API_KEY="key-of-brave", FACTORY_BRAVE_DAILY_QUERIES="5")
    assert found.brave_api_key is not None
    assert found.brave_api_key.get_secret_value() == "key-of-brave"
    assert found.brave_daily_queries == 5
    for value in ("-1", "1001", "many"):
        with pytest.raises(SettingsError, match="brave_daily_queries"):
            load(tmp_path, FACTORY_BRAVE_DAILY_QUERIES=value)


def test_a_secret_may_lie_in_a_file_of_its_own(tmp_path: Path):
    """Containers mount them so; the line's end is not part of it."""
    place = tmp_path / "key"
    place.write_text("from-file\n", encoding="utf-8")
    found = load(tmp_path, JULES_API_KEY_FILE=str(place))
    assert found.jules_api_key is not None
    assert found.jules_api_key.get_secret_value() == "from-file"


def test_a_secret_said_directly_goes_before_its_file(tmp_path: Path):
    """So that one run can use another key."""
    found = load(tmp_path, GITHUB_TOKEN="direct", GITHUB_TOKEN_FILE="/nowhere")
    assert found.github_token is not None
    assert found.github_token.get_secret_value() == "direct"


def test_a_secret_whose_file_cannot_be_read_is_an_error(tmp_path: Path):
    """Not silently a run without a key."""
    with pytest.raises(SettingsError, match="JULES_API_KEY_FILE"):
        load(tmp_path, JULES_API_KEY_FILE=str(tmp_path / "none"))


def test_a_secret_whose_file_is_no_text_is_an_error_without_its_bytes(tmp_path: Path):
    """The decoder's own message would carry them."""
    place = tmp_path / "key"
    place.write_bytes(b"canary\xff")
    with pytest.raises(SettingsError, match="JULES_API_KEY_FILE") as raised:
        load(tmp_path, JULES_API_KEY_FILE=str(place))
    assert raised.value.__cause__ is None
    assert "canary" not in str(raised.value)


def test_former_keys_are_listed_between_commas_or_one_a_line_in_a_file(tmp_path: Path):
    """A change of keys takes a list, for there may have been several."""
    place = tmp_path / "keys"
    place.write_text("first-key\n\nsecond-key\n")
    for told in (
        load(tmp_path, FACTORY_MARKER_KEYS_OLD="first-key, second-key"),
        load(tmp_path, FACTORY_MARKER_KEYS_OLD_FILE=str(place)),
    ):
        assert [key.get_secret_value() for key in told.marker_keys_old] == [
            "first-key",
            "second-key",
        ]


def test_no_secret_shows_in_what_is_printed(tmp_path: Path):
    """Not in repr, str, nor in the settings' JSON."""
    names = ("JULES_API_KEY", "GITHUB_TOKEN", "FACTORY_MARKER_KEY", "FACTORY_MARKER_KEYS_OLD")
    names += ("BRAVE_API_KEY",)
    found = load(tmp_path, **{name: f"canary-{name}" for name in names})
    shown = f"{found!r} {found} {found.model_dump_json()} {found.model_dump()}"
    assert "canary" not in shown


def test_no_secret_shows_in_an_error(tmp_path: Path):
    """The message names fields, not values."""
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, JULES_API_KEY="canary", FACTORY_ALLOWANCE="canary-value")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://jules.example",
        "http://127.0.0.1:8000",
        "http://localhost:8000",
        "HTTP://x",
        "ftp://x",
        "jules.example",
        "",
    ],
)
@pytest.mark.parametrize("name", ["FACTORY_JULES_URL", "FACTORY_GITHUB_URL"])
def test_an_address_without_https_is_refused(tmp_path: Path, name: str, url: str):
    """A token would travel in the clear."""
    with pytest.raises(SettingsError, match="https"):
        load(tmp_path, **{name: url})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:1"]
)
def test_plain_http_to_this_machine_must_be_asked_for(tmp_path: Path, url: str):
    """For the sandbox's own ports."""
    found = load(tmp_path, FACTORY_JULES_URL=url, FACTORY_ALLOW_LOOPBACK_HTTP="1")
    assert found.jules_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://jules.example",
        "http://192.168.0.1",
        "http://0.0.0.0:1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1@evil.example",
        "http://localhost:80@evil.example",
        "http://[::1",
    ],
)
def test_plain_http_to_another_machine_is_refused_even_then(tmp_path: Path, url: str):
    """The switch is for loopback."""
    with pytest.raises(SettingsError, match="https"):
        load(tmp_path, FACTORY_JULES_URL=url, FACTORY_ALLOW_LOOPBACK_HTTP="1")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"GITHUB_APP_ID": "7"}, "needs both"),
        ({"GITHUB_APP_KEY": "a private key"}, "needs both"),
        (
            {"GITHUB_APP_ID": "7", "GITHUB_APP_KEY": "a private key", "GITHUB_TOKEN": "a-token"},
            "choose one",
        ),
        ({"GITHUB_APP_ID": "7;8", "GITHUB_APP_KEY": "a private key"}, "github_app_id"),
        ({"FACTORY_OWNER": "not/a-login"}, "owner"),
    ],
)
def test_half_an_app_or_one_beside_a_token_is_refused(
    tmp_path: Path, environ: dict[str, str], said: str
):
    """Nobody would know which of them works."""
    with pytest.raises(SettingsError, match=said):
        load(tmp_path, **environ)


def test_an_app_is_its_number_and_a_file_with_its_key(tmp_path: Path):
    """INTERFACE.md: `GITHUB_APP_ID` and `GITHUB_APP_KEY_FILE`; then no token is needed."""
    place = tmp_path / "key.pem"
    place.write_text("a private key\n", encoding="utf-8")
    found = load(
        tmp_path, GITHUB_APP_ID="7", GITHUB_APP_KEY_FILE=str(place), JULES_API_KEY="a-jules-key"
    )
    check_keys(found)
    assert found.github_app_key is not None
    assert found.github_app_key.get_secret_value() == "a private key"
    assert "private" not in repr(found)


@pytest.mark.parametrize("missing", ["JULES_API_KEY", "GITHUB_TOKEN"])
def test_a_key_that_is_needed_is_named(tmp_path: Path, missing: str):
    """Before anything is asked of anybody."""
    keys = {"JULES_API_KEY": "a-jules-key", "GITHUB_TOKEN": "a-token"}
    with pytest.raises(SettingsError, match=missing):
        check_keys(load(tmp_path, **{name: key for name, key in keys.items() if name != missing}))
