"""389 Directory Server for the tests: ns-slapd run by hand, as its own user, without systemd."""

import re
import shutil
from pathlib import Path
from typing import Any

from resolvers.connectors.ldap_server import LdapServer
from tests.ldap_process import LdapProcess, free_ports, require_files, require_root
from tests.slapd import record

BASE = "dc=example,dc=com"
PEOPLE = f"ou=people,{BASE}"
READER = f"cn=reader,{BASE}"
SERVICE = "Reader of the tests 4711"
PASSWORD = "Gravel lantern 77 meadow"
FOLDERS = ("lock", "tmp", "ldif", "bak", "run", "inst", "log", "config", "config/schema", "db")
TEMPLATE = Path("/usr/share/dirsrv/data/template-dse.ldif")
BACKEND = f"""dn: cn=userroot,cn=ldbm database,cn=plugins,cn=config
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userroot
nsslapd-suffix: {BASE}

dn: cn=dc\\3Dexample\\2Cdc\\3Dcom,cn=mapping tree,cn=config
objectClass: extensibleObject
objectClass: nsMappingTree
cn: {BASE}
nsslapd-state: backend
nsslapd-backend: userroot

dn: {BASE}
objectClass: domain
dc: example
aci: (targetattr="* || nsUniqueId || nsAccountLock")(version 3.0; acl "read"; allow(read,search,compare)
  userdn="ldap:///all";)

"""


def dn(uid: str) -> str:
    return f"uid={uid},{PEOPLE}"


def person(uid: str, **more: Any) -> str:
    values = {"cn": uid.capitalize(), "sn": uid.capitalize(), "uid": uid, "mail": f"{uid}@example.com", **more}
    values = {name: value for name, value in values.items() if value is not None}
    return record(dn(uid), objectClass="inetOrgPerson", userPassword=PASSWORD, **values)


class DirectoryServer389(LdapProcess):
    base_dn = BASE
    people = PEOPLE
    admin_dn = "cn=Directory Manager"
    admin_password = "Meadow-77-lantern-admin"

    def __init__(self) -> None:
        require_root("389 Directory Server, which changes to its own user,")
        require_files("389-ds-base", "/usr/sbin/ns-slapd", str(TEMPLATE), "/usr/bin/ldapadd")
        super().__init__()
        (self.port,) = free_ports(1)
        self._configure()
        config, pid = self.folder / "config", self.folder / "run" / "pid"
        # A level of the log keeps it in the foreground.
        self.start(["/usr/sbin/ns-slapd", "-D", str(config), "-i", str(pid), "-d", "16384"])
        self.add(BACKEND)
        self.add(record(PEOPLE, objectClass="organizationalUnit", ou="people"))
        reader = {"objectClass": ["applicationProcess", "simpleSecurityObject"], "userPassword": SERVICE}
        self.add(record(READER, cn="reader", **reader))

    def _configure(self) -> None:
        for name in FOLDERS:
            (self.folder / name).mkdir()
        values = {
            **{
                f"{name}_dir": self.folder / name for name in ("lock", "tmp", "ldif", "bak", "run", "inst", "log", "db")
            },
            "schema_dir": self.folder / "config/schema",
            "cert_dir": self.folder / "config",
            "config_dir": self.folder / "config",
            "db_home_dir": self.folder / "db",
            "db_lib": "bdb",
            "fqdn": "localhost",
            "ds_port": self.port,
            "ds_user": "dirsrv",
            "ds_suffix": BASE,
            "rootdn": self.admin_dn,
            "ds_passwd": f"{{CLEAR}}{self.admin_password}",
            "ldapi": self.folder / "run/socket",
            "ldapi_enabled": "off",
            "ldapi_autobind": "off",
        }
        text = re.sub(r"%([a-z_]+)%", lambda found: str(values[found[1]]), TEMPLATE.read_text())
        (self.folder / "config/dse.ldif").write_text(text)
        for file in Path("/etc/dirsrv/config").iterdir():
            shutil.copy(file, self.folder / "config")
        shutil.copy("/etc/dirsrv/schema/99user.ldif", self.folder / "config/schema")
        for path in (self.folder, *self.folder.rglob("*")):
            shutil.chown(path, "dirsrv", "dirsrv")

    def server(self, **more: Any) -> LdapServer:
        return super().server(**{"bind_dn": READER, "bind_password": SERVICE, **more})

    def settings(self, **more: Any) -> dict[str, Any]:
        """The same as input of updateIdentityProvider's `ldap`."""
        given = {"urls": [self.url], "isStartTls": False, "baseDn": PEOPLE, "bindDn": READER, "bindPassword": SERVICE}
        return {**given, "attributes": {"externalId": "nsUniqueId"}, **more}
