#!/usr/bin/env bash
# 389 Directory Server has entryUUID in its schema, and gives it to no entry unless a plug-in is configured.
# Expected: an operational attribute of the schema (RFC 4530) is there, as in OpenLDAP and ApacheDS. Seen: the schema
# names entryUUID, an entry has nsUniqueId alone. Needs root, Debian's 389-ds-base (2.3) and ldap-utils.
set -euo pipefail
template=/usr/share/dirsrv/data/template-dse.ldif
[ -x /usr/sbin/ns-slapd ] && [ -e "$template" ] && command -v ldapadd >/dev/null ||
  { echo "needs Debian's 389-ds-base and ldap-utils"; exit 2; }
[ "$(id -u)" = 0 ] || { echo "needs root, to change to the server's user"; exit 2; }
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$folder"/{lock,tmp,ldif,bak,run,inst,log,config/schema,db}
sed -e "s#%schema_dir%#$folder/config/schema#; s#%cert_dir%#$folder/config#; s#%db_home_dir%#$folder/db#" \
  -e "s#%\(lock\|tmp\|ldif\|bak\|run\|inst\|log\|config\|db\)_dir%#$folder/\1#g; s#%db_lib%#bdb#; s#%fqdn%#localhost#" \
  -e "s#%ds_port%#$port#; s#%ds_user%#dirsrv#; s#%ds_suffix%#dc=example,dc=com#; s#%rootdn%#cn=Directory Manager#" \
  -e "s#%ds_passwd%#{CLEAR}Meadow-77-lantern#; s#%ldapi%#$folder/run/socket#; s#%ldapi_[a-z]*%#off#" \
  "$template" >"$folder/config/dse.ldif"
cp /etc/dirsrv/config/* "$folder/config/"
cp /etc/dirsrv/schema/99user.ldif "$folder/config/schema/"
chown -R dirsrv:dirsrv "$folder"
/usr/sbin/ns-slapd -D "$folder/config" -i "$folder/run/pid" -d 16384 >"$folder/output" 2>&1 &
server=$!
login=(-x -H "ldap://127.0.0.1:$port" -D "cn=Directory Manager" -w Meadow-77-lantern)
for _ in $(seq 300); do ldapsearch "${login[@]}" -s base -b "" 1.1 >/dev/null 2>&1 && break; sleep 0.1; done
ldapadd "${login[@]}" >/dev/null <<LDIF
dn: cn=userroot,cn=ldbm database,cn=plugins,cn=config
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userroot
nsslapd-suffix: dc=example,dc=com

dn: cn=dc\3Dexample\2Cdc\3Dcom,cn=mapping tree,cn=config
objectClass: extensibleObject
objectClass: nsMappingTree
cn: dc=example,dc=com
nsslapd-state: backend
nsslapd-backend: userroot

dn: dc=example,dc=com
objectClass: domain
dc: example

dn: uid=jane,dc=example,dc=com
objectClass: inetOrgPerson
uid: jane
cn: Jane Doe
cn;lang-ja: Jeen
sn: Doe
LDIF
ldapsearch "${login[@]}" -LLL -s base -b "" vendorVersion | grep vendorVersion
schema=$(ldapsearch "${login[@]}" -LLL -o ldif-wrap=no -s base -b cn=schema attributeTypes | grep -c "NAME 'entryUUID'")
answer=$(ldapsearch "${login[@]}" -LLL -b dc=example,dc=com "(uid=jane)" entryUUID nsUniqueId | grep -v "^dn:" | grep -o "^[a-zA-Z]*" | xargs)
echo "definitions of entryUUID in the schema: $schema; of an entry: $answer"
[ "$schema" = 1 ] && [ "$answer" = nsUniqueId ]
