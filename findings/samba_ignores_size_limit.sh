#!/usr/bin/env bash
# Samba as an Active Directory domain controller ignores the size limit of a search (RFC 4511, 4.5.1.4).
# Expected: at most two entries and the result sizeLimitExceeded (4). Seen: all entries and success.
# The size of a page (RFC 2696) is kept. Needs root and Debian's samba-ad-dc (4.17), samba-ad-provision, ldap-utils.
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
code=0
answer=$(search -z 2 -b "$base" "(objectClass=user)" 1.1) || code=$?
limited=$(grep -c "^dn:" <<<"$answer")
page=$(search -b "$base" -E pr=2/noprompt "(objectClass=user)" 1.1 | sed '/pagedresults/q' | grep -c "^dn:")
echo "with a size limit of 2: $limited entries, result $code; with pages of 2: $page entries in the first"
[ "$limited" -gt 2 ] && [ "$code" = 0 ] && [ "$page" = 2 ]
