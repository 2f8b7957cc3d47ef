"""A real Active Directory domain controller for the tests: Debian's Samba, in namespaces of its own.

It listens on 389 and 636 of a private loopback, which a relay reaches from outside. Passwords are taken over TLS only.
"""

import base64
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from resolvers.connectors.ldap_server import LdapServer
from tests.active_directory import ATTRIBUTES, USERS
from tests.certificates import Authority
from tests.ldap_process import LdapProcess, require_files, require_root
from tests.slapd import record

REALM = "corp.example.com"
DOMAIN = "DC=corp,DC=example,DC=com"
STAFF = f"OU=Staff,{DOMAIN}"
TEAMS = f"OU=Teams,{DOMAIN}"
READER = f"CN=reader,OU=Services,{DOMAIN}"
DOMAIN_USERS = f"CN=Domain Users,CN=Users,{DOMAIN}"
ADMIN_PASSWORD = "Meadow-77-lantern-admin"
SERVICE = "Reader of the domain 4711"
PASSWORD = "Gravel lantern 77 meadow"

# Folders of the system are covered inside the namespace, so that nothing of the machine's own Samba is touched.
SCRIPT = r"""
set -e
ip link set lo up
for folder in /var/lib/samba /var/cache/samba /run/samba /var/log/samba; do
  mkdir -p $folder
  mount -t tmpfs tmpfs $folder
done
samba-tool domain provision --quiet --realm={realm} --domain=CORP --server-role=dc --dns-backend=NONE \
  --adminpass={password} --targetdir={folder}/dc --host-name=dc1 --host-ip=127.0.0.1 \
  --option="server services = ldap, kdc, rpc" --option="tls certfile = {certificate}" \
  --option="tls keyfile = {key}" --option="tls cafile = {authority}"
{python} {relay} {pairs} &
exec samba --interactive --no-process-group --debug-stdout -s {folder}/dc/etc/smb.conf
"""


def dn(name: str, below: str = STAFF) -> str:
    return f"CN={name},{below}"


def encode_password(text: str) -> str:
    """A password as `unicodePwd` takes it, in base64."""
    return base64.b64encode(f'"{text}"'.encode("utf-16-le")).decode()


def person(name: str, *, below: str = STAFF, **more: str | Iterable[str]) -> str:
    """LDIF of an enabled account whose password is PASSWORD: `name` is its sAMAccountName."""
    values: dict[str, Any] = {
        "sAMAccountName": name,
        "userPrincipalName": f"{name}@{REALM}",
        "userAccountControl": "512",
        "mail": f"{name}@example.com",
        **more,
    }
    text = record(dn(name.capitalize(), below), objectClass="user", **{k: v for k, v in values.items() if v})
    return f"{text.rstrip()}\nunicodePwd:: {encode_password(PASSWORD)}\n\n"


def group(name: str, *members: str, **more: str | Iterable[str]) -> str:
    values = {"member": list(members)} if members else {}
    return record(dn(name, TEAMS), objectClass="group", sAMAccountName=name, **values, **more)


class Samba(LdapProcess):
    base_dn = DOMAIN
    admin_dn = f"CN=Administrator,CN=Users,{DOMAIN}"
    admin_password = ADMIN_PASSWORD
    start_timeout = 180.0
    client_environment = {"LDAPTLS_REQCERT": "never"}

    def __init__(self) -> None:
        require_root("Samba, which makes namespaces,")
        require_files("samba-ad-dc samba-ad-provision", "/usr/sbin/samba", "/usr/share/samba/setup/ad-schema")
        require_files("iproute2 util-linux ldap-utils", "/usr/bin/unshare", "/usr/bin/ldapadd")
        super().__init__()
        self.authority = Authority()
        self._start_domain()
        unit = {"objectClass": "organizationalUnit"}
        self.add("".join(record(f"OU={name},{DOMAIN}", **unit) for name in ("Staff", "Teams", "Services")))
        reader = record(READER, objectClass="user", sAMAccountName="reader", userAccountControl="512")
        self.add(f"{reader.rstrip()}\nunicodePwd:: {encode_password(SERVICE)}\n")

    def _start_domain(self) -> None:
        certificate, key = self.authority.issue(self.folder, "localhost", "127.0.0.1")
        key.chmod(0o600)  # Samba refuses a key that others may read
        authority = self.folder / "authority.pem"
        authority.write_text(self.authority.pem)
        listeners = {port: socket.create_server(("127.0.0.1", 0)) for port in (389, 636)}
        self.port, self.tls_port = (int(each.getsockname()[1]) for each in listeners.values())
        script = SCRIPT.format(
            folder=self.folder,
            realm=REALM.upper(),
            password=ADMIN_PASSWORD,
            certificate=certificate,
            key=key,
            authority=authority,
            python=sys.executable,
            relay=Path(__file__).with_name("samba_relay.py"),
            pairs=" ".join(f"{listener.fileno()}:{port}" for port, listener in listeners.items()),
        )
        # With its own process namespace, whatever the domain controller has started ends with it.
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "bash", "-c", script]
        try:
            self.start(command, pass_fds=[each.fileno() for each in listeners.values()])
        finally:
            for listener in listeners.values():
                listener.close()

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def client_url(self) -> str:
        return self.tls_url

    def server(self, **more: Any) -> LdapServer:
        given: dict[str, Any] = {
            "urls": (self.tls_url,),
            "bind_dn": READER,
            "bind_password": SERVICE,
            "ca_certificates": self.authority.pem,
            "user_filter": USERS,
            "group_filter": "(member={dn})",
            "attributes": ATTRIBUTES,
        }
        return super().server(**{**given, **more})

    def settings(self, **more: Any) -> dict[str, Any]:
        """The same as input of updateIdentityProvider's `ldap`."""
        attributes = {
            "username": "sAMAccountName",
            "externalId": "objectGUID",
            "memberOf": "memberOf",
            "changedAt": "whenChanged",
        }
        given = {
            "urls": [self.tls_url],
            "caCertificates": self.authority.pem,
            "baseDn": STAFF,
            "bindDn": READER,
            "bindPassword": SERVICE,
            "userFilter": USERS,
            "groupFilter": "(member={dn})",
            "attributes": attributes,
        }
        return {**given, **more}

    def make_primary(self, member: str, group: str) -> None:
        """Make a group that somebody is in their primary one."""
        number = self.read_rid(group)
        change = f"replace: primaryGroupID\nprimaryGroupID: {number}"
        self.modify(f"dn: {member}\nchangetype: modify\n{change}\n\n")

    def read_rid(self, dn: str) -> int:
        """The last number of an entry's SID."""
        (line,) = [each for each in self.read(dn, "base", "objectSid") if each.startswith("objectSid:: ")]
        return int.from_bytes(base64.b64decode(line.removeprefix("objectSid:: "))[-4:], "little")
