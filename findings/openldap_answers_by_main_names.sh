#!/usr/bin/env bash
# OpenLDAP answers by the main name of an attribute, whatever name it was asked for.
# Expected by many clients: who asks for surname, gn or rfc822Mailbox finds the values under these names. Seen: sn,
# givenName and mail. 389 Directory Server answers by the names of the request. Needs Debian's slapd and ldap-utils.
set -euo pipefail
slapd=$(PATH="$PATH:/usr/sbin" command -v slapd) && command -v ldapsearch >/dev/null ||
  { echo "needs Debian's slapd and ldap-utils"; exit 2; }
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$folder/data"
cat >"$folder/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=com"
directory $folder/data
CONF
"$slapd" -T add -q -f "$folder/slapd.conf" <<LDIF
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: uid=jane,dc=example,dc=com
objectClass: inetOrgPerson
uid: jane
cn: Jane Doe
sn: Doe
givenName: Jane
mail: jane@example.com
LDIF
"$slapd" -f "$folder/slapd.conf" -h "ldap://127.0.0.1:$port/" -d 0 >"$folder/output" 2>&1 &
server=$!
url="ldap://127.0.0.1:$port"
for _ in $(seq 100); do ldapsearch -x -H "$url" -s base -b "" 1.1 >/dev/null 2>&1 && break; sleep 0.1; done
"$slapd" -VV 2>&1 | grep -o "slapd [0-9.]*" | head -1
answer=$(ldapsearch -x -LLL -H "$url" -b dc=example,dc=com "(gn=Jane)" surname gn rfc822Mailbox 2.5.4.3 |
  grep -v "^dn:" | grep -o "^[a-zA-Z0-9.]*" | sort | xargs)
echo "asked for surname, gn, rfc822Mailbox and 2.5.4.3, answered: $answer"
[ "$answer" = "cn givenName mail sn" ]
