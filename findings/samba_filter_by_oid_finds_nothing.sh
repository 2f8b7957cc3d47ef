#!/usr/bin/env bash
# Samba as an Active Directory domain controller knows an attribute by its OID where attributes are asked for, and
# finds nothing by it in a filter (RFC 4512, 2.5: an attribute description is a short name or an OID).
# Expected: (2.5.4.4=Guest-Name) finds what (sn=Guest-Name) finds. Seen: no entry, and no error.
# Needs root and Debian's samba-ad-dc (4.17), samba-ad-provision, ldap-utils.
set -euo pipefail
for tool in /usr/sbin/samba ldapsearch unshare; do
  command -v "$tool" >/dev/null || { echo "needs Debian's samba-ad-dc, samba-ad-provision, ldap-utils and util-linux"; exit 2; }
done
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || { echo "needs root, for namespaces of its own"; exit 2; }
  exec unshare --mount --net --pid --fork --kill-child=KILL bash "$0" inside
fi

ip link set lo up
for folder in /var/lib/samba /var/cache/samba /run/samba /var/log/samba /run/domain; do
  mkdir -p "$folder"; mount -t tmpfs tmpfs "$folder"
done
password="Meadow-77-lantern"
samba-tool domain provision --quiet --realm=CORP.EXAMPLE.COM --domain=CORP --server-role=dc --dns-backend=NONE \
  --adminpass="$password" --targetdir=/run/domain/dc --host-name=dc1 --host-ip=127.0.0.1 \
  --option="server services = ldap, kdc, rpc" >/run/domain/output 2>&1
samba --interactive --no-process-group --debug-stdout -s /run/domain/dc/etc/smb.conf >>/run/domain/output 2>&1 &
export LDAPTLS_REQCERT=never
search() { ldapsearch -x -LLL -ZZ -H ldap://127.0.0.1 -D Administrator@corp.example.com -w "$password" "$@"; }
for _ in $(seq 300); do search -s base -b "" 1.1 >/dev/null 2>&1 && break; sleep 0.1; done

base="DC=corp,DC=example,DC=com"
samba --version
ldapmodify -x -ZZ -H ldap://127.0.0.1 -D Administrator@corp.example.com -w "$password" >/dev/null <<LDIF
dn: CN=Guest,CN=Users,$base
changetype: modify
replace: sn
sn: Guest-Name
LDIF
shown=$(search -b "$base" "(sn=Guest-Name)" 2.5.4.4 | grep "^sn: ")
by_name=$(search -b "$base" "(sn=Guest-Name)" 1.1 | grep -c "^dn:")
by_oid=$(search -b "$base" "(2.5.4.4=Guest-Name)" 1.1 | grep -c "^dn:" || true)
echo "asked for as 2.5.4.4: $shown; found by sn: $by_name, by 2.5.4.4: $by_oid"
[ "$shown" = "sn: Guest-Name" ] && [ "$by_name" = 1 ] && [ "$by_oid" = 0 ]
