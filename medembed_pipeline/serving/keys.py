"""Bearer keys: several, each with a name and a scope; only their hashes are kept.

A key is 32 random bytes, so that a plain SHA-256 of it can't be searched through; there are no passwords here.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medembed_pipeline.serving.errors import ServingError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEYS_VARIABLE = "MEDEMBED_SERVING_KEYS"
FILE_VARIABLE = "MEDEMBED_SERVING_KEYS_FILE"
PREFIX = "medembed_"

Scope = Literal["ids", "text"]
SCOPES: tuple[Scope, ...] = ("ids", "text")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,62}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Key:
    """Who may ask.

    Attributes
    ----------
    name
        stands in the audit log.
    scope
        `ids`: ids and similarities alone; `text`: also text, labels and columns of stored notes.
    sha256
        of the key, 64 hex.
    """

    name: str
    scope: Scope
    sha256: str


ANYBODY = Key("anybody", "text", "")
"""Who asks a service without keys, which listens to this machine alone."""


NOBODY = Key("nobody", "ids", "")
"""Who has not said yet who they are."""


class Keyring:
    """The keys of a service.

    Parameters
    ----------
    keys
        none for a service that everybody on this machine may ask.

    Raises
    ------
    ServingError
        two keys of one name.
    """

    def __init__(self, keys: tuple[Key, ...] = ()) -> None:
        names = [key.name for key in keys]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ServingError(f"keys: the name {twice[0]} stands twice; give each key a name of its own.")
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, authorization: str | None) -> Key | None:
        """Whose key an Authorization header holds; None where it is nobody's."""
        if not self._keys:
            return ANYBODY
        kind, _, given = (authorization or "").partition(" ")
        if kind.lower() != "bearer":
            return None
        offered = hash_of(given.strip())
        found = None
        for key in self._keys:
            # Every key is compared, each in the same time.
            if hmac.compare_digest(offered, key.sha256):
                found = key
        return found


def hash_of(key: str) -> str:
    """sha256 (64 hex) of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def new_key() -> str:
    """A key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def read_keyring(file: Path | None, environment: Mapping[str, str] = os.environ) -> Keyring:
    """The keys of a file and of the environment.

    Parameters
    ----------
    file
        TOML with a table `[keys.NAME]` per key, of `sha256` and `scope`; None for the one that
        MEDEMBED_SERVING_KEYS_FILE names, if it does.
    environment
        its MEDEMBED_SERVING_KEYS holds `NAME:SCOPE:SHA256`, several parted by white space or commas.

    Raises
    ------
    ServingError
        a file that cannot be read, or a key that is none; no key is ever shown.
    """
    named = environment.get(FILE_VARIABLE)
    path = file or (Path(named) if named else None)
    keys = [] if path is None else _of_file(path)
    for number, entry in enumerate(environment.get(KEYS_VARIABLE, "").replace(",", " ").split(), 1):
        parts = entry.split(":")
        if len(parts) != 3:
            raise ServingError(f"{KEYS_VARIABLE}: entry {number} is not NAME:SCOPE:SHA256.")
        keys.append(_key(parts[0], parts[1], parts[2], where=f"{KEYS_VARIABLE}: entry {number}"))
    return Keyring(tuple(keys))


def _of_file(path: Path) -> list[Key]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ServingError(f"{path}: the file of keys can't be read ({type(error).__name__}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ServingError(f"{path}: the file of keys is not valid TOML.") from None
    entries = tables.get("keys")
    if not isinstance(entries, dict) or set(tables) != {"keys"}:
        raise ServingError(f"{path}: expected a table [keys.NAME] per key, and nothing else.")
    found = []
    for number, (name, entry) in enumerate(entries.items(), 1):
        where = f"{path}: key {number}"
        if not isinstance(entry, dict) or set(entry) != {"sha256", "scope"}:
            raise ServingError(f"{where}: expected sha256 and scope, and nothing else.")
        found.append(_key(name, entry["scope"], entry["sha256"], where=where))
    return found


def _key(name: object, scope: object, sha256: object, *, where: str) -> Key:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ServingError(f"{where}: its name may hold letters, digits, and . _ - between them.")
    if not isinstance(sha256, str) or not _HASH.fullmatch(sha256):
        raise ServingError(
            f"{where}: sha256 is not 64 hexadecimal digits; `medembed serve-key NAME` makes a key and its hash."
        )
    if scope == "ids":
        return Key(name, "ids", sha256)
    if scope == "text":
        return Key(name, "text", sha256)
    raise ServingError(f"{where}: the scope is not one of {', '.join(SCOPES)}.")


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone; a name counts only as `localhost`."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_service(host: str, keyring: Keyring) -> None:
    """Refuse to listen to other machines without keys.

    Raises
    ------
    ServingError
        saying what to do.
    """
    if not len(keyring) and not is_loopback(host):
        raise ServingError(
            f"[serving] host = {host}: other machines could ask, and no keys are set. `medembed serve-key NAME` makes "
            f"one; name its file with --keys or {FILE_VARIABLE}, or listen on 127.0.0.1."
        )
