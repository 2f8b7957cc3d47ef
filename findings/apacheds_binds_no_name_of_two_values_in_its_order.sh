#!/usr/bin/env bash
# ApacheDS 2.0.0.AM26 does not bind an entry by the DN that it shows for it, where its name has two values.
# Expected: cn=Jane+uid=jane and uid=jane+cn=Jane are one name (RFC 4514, 2.2; RFC 4517, 4.2.15), by which a bind finds
# the entry as a search does.
# Seen: a search with either as its base finds the entry; a bind as cn=Jane+uid=jane, the DN of the answer, is refused
# with "Attempt to lookup non-existant entry", a bind as uid=jane+cn=Jane works.
set -euo pipefail
[ -e /etc/apacheds/config.ldif ] && command -v java >/dev/null && command -v ldapadd >/dev/null ||
  { echo "needs Debian's apacheds, default-jre-headless, ldap-utils and the libraries of .ci/run"; exit 2; }
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$folder"/{conf,cache,run,log,partitions}
echo "log4j.rootCategory=ERROR" >"$folder/conf/log4j.properties"
sed "s/systemport: 10389/systemport: $port/; s/systemport: 10636/systemport: 0/; s/0\.0\.0\.0/127.0.0.1/" \
  /etc/apacheds/config.ldif >"$folder/conf/config.ldif"
. /etc/default/apacheds
jars=/usr/share/java
java --add-exports java.base/sun.security.x509=ALL-UNNAMED --add-exports java.base/sun.security.util=ALL-UNNAMED \
  -Xmx256m -XX:TieredStopAtLevel=1 -Dapacheds.controls="$ADS_CONTROLS" -Dapacheds.log.dir="$folder/log" \
  -Dapacheds.extendedOperations="$ADS_EXTENDED_OPERATIONS" -Dlog4j.configuration="file:$folder/conf/log4j.properties" \
  -cp "/usr/share/apacheds/lib/*:$jars/caffeine.jar:$jars/commons-collections4.jar:$jars/commons-lang3.jar" \
  org.apache.directory.server.UberjarMain "$folder/" >"$folder/output" 2>&1 &
server=$!
login=(-x -H "ldap://127.0.0.1:$port" -D uid=admin,ou=system -w secret)
for _ in $(seq 600); do ldapsearch "${login[@]}" -s base -b "" 1.1 >/dev/null 2>&1 && break; sleep 0.1; done
ldapsearch "${login[@]}" -LLL -s base -b "" vendorVersion | grep vendorVersion
ldapadd "${login[@]}" >/dev/null <<LDIF
dn: cn=Jane+uid=jane,dc=example,dc=com
objectClass: inetOrgPerson
uid: jane
cn: Jane
sn: Doe
userPassword: lantern
LDIF
found() { ldapsearch "${login[@]}" -LLL "$@" 1.1 | sed -n 's/^dn: \(.*\),dc=example.*/\1/p'; }
bound() { ldapwhoami -x -H "ldap://127.0.0.1:$port" -D "$1,dc=example,dc=com" -w lantern >/dev/null 2>&1 && echo yes || echo no; }
shown="$(found -b dc=example,dc=com "(uid=jane)")"
other="$(found -s base -b "uid=jane+cn=Jane,dc=example,dc=com")"
echo "shown as $shown, read as ${other:-nothing} too; binds: as shown $(bound "$shown"), the other way $(bound "uid=jane+cn=Jane")"
[ "$shown" = "cn=Jane+uid=jane" ] && [ -n "$other" ] && [ "$(bound "$shown") $(bound "uid=jane+cn=Jane")" = "no yes" ]
