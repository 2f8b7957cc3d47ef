"""An LDAP server for the tests: Debian's slapd, with LDAPS, StartTLS, groups, a loop of groups, twins and odd names."""

import atexit
import base64
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from resolvers.connectors import ldap
from resolvers.connectors.ldap_connections import session
from resolvers.connectors.ldap_groups import found_groups
from resolvers.connectors.ldap_server import Entry, LdapServer
from tests.certificates import Authority

BASE = "dc=example,dc=com"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
ROOT = f"cn=root,{BASE}"
READER = f"cn=reader,ou=services,{BASE}"
NARROW = f"cn=narrow,ou=services,{BASE}"
JANE = f"uid=jane,{PEOPLE}"
LEE = f'cn=Lee\\, Ann \\+ \\"Q\\" \\#1,{PEOPLE}'
STAFF, LEADS, WEB = (f"cn={name},{GROUPS}" for name in ("staff", "leads", "web"))
PASSWORD = "gravel lantern 77 meadow"
SERVICE = "reader of the tests 4711"

CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/pid
TLSCACertificateFile {folder}/authority.pem
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
sizelimit 500
database mdb
suffix "{base}"
rootdn "{root}"
rootpw "{password}"
directory {folder}/data
maxsize 2147483648
dbnosync
index objectClass,uid,mail,member,uniqueMember,entryUUID,modifyTimestamp eq
overlay memberof
limits dn.exact="{reader}" size=unlimited
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by dn.exact="{narrow}" read by self read by anonymous none by * none
"""


class NoSlapd(Exception):
    """No server could be started; the message says why."""


def record(dn: str, **attributes: str | Iterable[str]) -> str:
    """One record of LDIF; `objectClass` and all other values in base64, so that any text can be one."""
    lines = [f"dn:: {_packed(dn)}"]
    for name, values in attributes.items():
        lines += [f"{name}:: {_packed(value)}" for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n\n"


def _packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def person(dn: str, uid: str, cn: str = "", **more: str | Iterable[str]) -> str:
    names = {"cn": cn or uid, "sn": (cn or uid).split()[-1], "uid": uid}
    return record(dn, objectClass="inetOrgPerson", **{**names, "userPassword": PASSWORD, **more})


def crowd(count: int, below: str = PEOPLE) -> str:
    """LDIF of so many people."""
    return "".join(
        person(f"uid=p{n:06},{below}", f"p{n:06}", f"Person {n}", mail=f"p{n:06}@example.com", givenName="Person")
        for n in range(count)
    )


def directory() -> str:
    unit = {"objectClass": "organizationalUnit"}
    parts = [
        record(BASE, objectClass=["dcObject", "organization"], dc="example", o="Example"),
        *(record(f"ou={name},{BASE}", **unit, ou=name) for name in ("people", "groups", "services")),
        *(
            record(dn, objectClass=["applicationProcess", "simpleSecurityObject"], cn=dn[3:9], userPassword=SERVICE)
            for dn in (READER, NARROW)
        ),
        person(JANE, "jane", "Jane Doe", givenName="Jane", mail="jane@example.com", memberOf=[STAFF, WEB]),
        person(LEE, "leeann", 'Lee, Ann + "Q" #1', mail="lee@example.com"),
        person(f"uid=nomail,{PEOPLE}", "nomail", "No Mail"),
        person(f"uid=twin1,{PEOPLE}", "twin1", mail="twin@example.com"),
        person(f"uid=twin2,{PEOPLE}", "twin2", mail="twin@example.com"),
        person(f"uid=björn,{PEOPLE}", "björn", "Björn Ängström", mail="bjorn@example.com"),
        person(f"uid=st\\2Ar,{PEOPLE}", "st*r", "Star"),
        record(f"uid=open,{PEOPLE}", objectClass="inetOrgPerson", uid="open", cn="No Password", sn="Password"),
        record(f"uid=ghost,{PEOPLE}", objectClass=["alias", "extensibleObject"], uid="ghost", aliasedObjectName=JANE),
        record(
            f"ou=elsewhere,{BASE}", objectClass=["referral", "extensibleObject"], ou="elsewhere",
            ref="ldap://127.0.0.1:1/dc=elsewhere,dc=com",
        ),
        record(STAFF, objectClass="groupOfNames", cn="staff", member=[JANE, LEADS]),
        record(LEADS, objectClass="groupOfNames", cn="leads", member=[STAFF, LEE]),
        record(WEB, objectClass="groupOfUniqueNames", cn="web", uniqueMember=JANE),
    ]  # fmt: skip
    return "".join(parts)


async def grouped(server: LdapServer, username: str) -> Entry:
    """Somebody with their groups, which are looked for one by one."""
    async with session(server) as talk:
        entry = await ldap.one(talk, server, username=username, attributes=[server.attributes["member_of"]])
        assert entry is not None
        return await found_groups(talk, server, entry)


class Slapd:
    """A throw-away server on free ports of 127.0.0.1; nothing survives it. `more` is LDIF to begin with."""

    def __init__(self, more: str = "") -> None:
        self._slapd = shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin:/usr/lib/openldap:/usr/libexec")
        if self._slapd is None:
            raise NoSlapd("there is no slapd; install it: apt-get install slapd ldap-utils")
        self.folder = Path(tempfile.mkdtemp(prefix="usergraph-slapd-"))
        self.authority = Authority()
        self._configure(directory() + more)
        self.process = self._start()
        atexit.register(self.stop)

    def _configure(self, ldif: str) -> None:
        (self.folder / "data").mkdir()
        (self.folder / "authority.pem").write_text(self.authority.pem)
        certificate, key = self.authority.issue(self.folder, "localhost", "127.0.0.1")
        values = {"base": BASE, "root": ROOT, "password": SERVICE, "reader": READER, "narrow": NARROW}
        text = CONF.format(folder=self.folder, certificate=certificate, key=key, **values)
        (self.folder / "slapd.conf").write_text(text)
        (self.folder / "all.ldif").write_text(ldif)
        command = [str(self._slapd), "-T", "add", "-q", "-f", "slapd.conf", "-l", "all.ldif"]
        self._run(command)

    def _run(self, command: list[str], text: str | None = None) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, input=text)
        if done.returncode:
            raise NoSlapd(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def _start(self) -> "subprocess.Popen[bytes]":
        for _ in range(5):  # another program may take a port between our looking and slapd's
            self.port, self.tls_port = _free_ports(2)
            urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
            with open(self.folder / "log", "ab") as log:
                command = [str(self._slapd), "-f", "slapd.conf", "-h", urls, "-d", "0"]
                process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
            if self._answers(process):
                return process
        raise NoSlapd(f"slapd did not start: {(self.folder / 'log').read_text()[-500:]}")

    def _answers(self, process: "subprocess.Popen[bytes]") -> bool:
        for _ in range(200):
            if process.poll() is not None:
                return False
            try:
                for port in (self.port, self.tls_port):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                time.sleep(0.05)
        process.kill()
        process.wait()
        return False

    @property
    def url(self) -> str:
        """With StartTLS."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    def server(self, **more: Any) -> LdapServer:
        """How to reach it as the service account, over StartTLS if not said otherwise."""
        given: dict[str, Any] = {"name": "test", "urls": (self.url,), "base_dn": BASE, "bind_dn": READER}
        return LdapServer(**{**given, "bind_password": SERVICE, "ca_certificates": self.authority.pem, **more})

    def settings(self, **more: Any) -> dict[str, Any]:
        """The same as input of createIdentityProvider's `ldap`."""
        given = {"urls": [self.tls_url], "caCertificates": self.authority.pem, "baseDn": BASE, "bindDn": READER}
        return {**given, "bindPassword": SERVICE, **more}

    def add(self, ldif: str) -> None:
        """Add records while it runs."""
        self._client("ldapadd", [], ldif)

    def modify(self, ldif: str) -> None:
        """Change, rename or delete records while it runs (LDIF with changetype)."""
        self._client("ldapmodify", [], ldif)

    def delete(self, *dns: str) -> None:
        self._client("ldapdelete", list(dns), "")

    def _client(self, program: str, more: list[str], text: str) -> None:
        self._run([program, "-x", "-H", self.url, "-D", ROOT, "-w", SERVICE, *more], text)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
