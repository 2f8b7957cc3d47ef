#!/usr/bin/env bash
# ApacheDS answers all values of an attribute under the language tag that one of them has (RFC 3866).
# Expected: "cn: Jane Doe" and "cn;lang-ja: Jeen" come back as they were added. Seen: both as cn;lang-ja, so that nobody
# can tell which value has no language.
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
dn: uid=jane,dc=example,dc=com
objectClass: inetOrgPerson
uid: jane
cn: Jane Doe
cn;lang-ja: Jeen
sn: Doe
LDIF
answer=$(ldapsearch "${login[@]}" -LLL -b dc=example,dc=com "(uid=jane)" cn | grep "^cn" | sort | paste -sd ";")
echo "answer: $answer"
[ "$answer" = "cn;lang-ja: Jane Doe;cn;lang-ja: Jeen" ]
