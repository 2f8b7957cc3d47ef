"""ApacheDS for the tests: Debian's package, run by hand with the libraries that it leaves out of its class path."""

import re
from pathlib import Path
from typing import Any

from resolvers.connectors.ldap_server import LdapServer
from tests.ldap_process import LdapProcess, free_ports, require_files
from tests.slapd import record

BASE = "dc=example,dc=com"
PEOPLE = f"ou=people,{BASE}"
PASSWORD = "gravel lantern 77 meadow"
CONFIGURATION = Path("/etc/apacheds")
DEFAULTS = Path("/etc/default/apacheds")
LIBRARIES = ("caffeine", "commons-collections4", "commons-lang3")
PACKAGES = (
    "apacheds default-jre-headless libapache-directory-api-java libapache-directory-jdbm-java libbcprov-java"
    " libcaffeine-java libcommons-collections4-java libcommons-lang-java libcommons-lang3-java libcommons-pool-java"
    " libdom4j-java libmavibot-java libmina2-java libxpp3-java"
)
EXPORTS = ("sun.security.x509", "sun.security.util", "sun.security.tools.keytool")


def dn(uid: str) -> str:
    return f"uid={uid},{PEOPLE}"


def person(uid: str, **more: Any) -> str:
    values = {"cn": uid.capitalize(), "sn": uid.capitalize(), "uid": uid, "mail": f"{uid}@example.com", **more}
    values = {name: value for name, value in values.items() if value is not None}
    return record(dn(uid), objectClass="inetOrgPerson", userPassword=PASSWORD, **values)


class ApacheDs(LdapProcess):
    base_dn = BASE
    people = PEOPLE
    admin_dn = "uid=admin,ou=system"
    admin_password = "secret"
    start_timeout = 120.0

    def __init__(self) -> None:
        jars = [f"/usr/share/java/{name}.jar" for name in (*LIBRARIES, "mina2-core", "apache-directory-api-all")]
        require_files(PACKAGES, "/usr/bin/java", str(CONFIGURATION / "config.ldif"), "/usr/bin/ldapadd", *jars)
        super().__init__()
        self.port, tls_port = free_ports(2)
        self._configure(tls_port)
        self.start(self._command())
        self.add(record(PEOPLE, objectClass="organizationalUnit", ou="people"))

    def _configure(self, tls_port: int) -> None:
        for name in ("conf", "cache", "run", "log", "partitions"):
            (self.folder / name).mkdir()
        text = (CONFIGURATION / "config.ldif").read_text()
        text = text.replace("ads-systemport: 10389", f"ads-systemport: {self.port}")
        text = text.replace("ads-systemport: 10636", f"ads-systemport: {tls_port}").replace("0.0.0.0", "127.0.0.1")
        (self.folder / "conf/config.ldif").write_text(text)
        (self.folder / "conf/log4j.properties").write_text("log4j.rootCategory=WARN")

    def _command(self) -> list[str]:
        defaults = DEFAULTS.read_text().replace("\\\n", "")
        options = dict(re.findall(r'^(ADS_CONTROLS|ADS_EXTENDED_OPERATIONS)="([^"]*)"', defaults, re.MULTILINE))
        jars = ["/usr/share/apacheds/lib/*", *(f"/usr/share/java/{name}.jar" for name in LIBRARIES)]
        exports = [each for name in EXPORTS for each in ("--add-exports", f"java.base/{name}=ALL-UNNAMED")]
        return [
            "java",
            *exports,
            "-Djava.awt.headless=true",
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            f"-Dapacheds.controls={options['ADS_CONTROLS']}",
            f"-Dapacheds.extendedOperations={options['ADS_EXTENDED_OPERATIONS']}",
            f"-Dlog4j.configuration=file:{self.folder}/conf/log4j.properties",
            f"-Dapacheds.log.dir={self.folder}/log",
            "-cp",
            ":".join(jars),
            "org.apache.directory.server.UberjarMain",
            f"{self.folder}/",
        ]

    def server(self, **more: Any) -> LdapServer:
        return super().server(**{"bind_dn": self.admin_dn, "bind_password": self.admin_password, **more})

    def settings(self, **more: Any) -> dict[str, Any]:
        """The same as input of updateIdentityProvider's `ldap`."""
        login = {"bindDn": self.admin_dn, "bindPassword": self.admin_password}
        return {"urls": [self.url], "isStartTls": False, "baseDn": PEOPLE, **login, **more}
