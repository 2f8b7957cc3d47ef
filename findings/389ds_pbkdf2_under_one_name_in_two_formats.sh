#!/usr/bin/env bash
# 389 Directory Server writes PBKDF2 hashes under two names that differ by one sign, in formats with nothing in common.
# Expected of {PBKDF2_SHA256} and {PBKDF2-SHA256}: one format, iterations$salt$digest, which passlib 1.7.4 reads.
# Seen: only the name with the hyphen has it. The one with the underscore is base64 of 4 bytes of iterations, 64 of salt
# and 256 of digest, and passlib does not know it. Needs Debian's 389-ds-base (2.3) for its pwdhash.
set -euo pipefail
command -v pwdhash >/dev/null || { echo "needs Debian's 389-ds-base"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q passlib==1.7.4 2>/dev/null
dpkg-query -W -f '389-ds-base ${Version}, passlib 1.7.4\n' 389-ds-base 2>/dev/null || true
underscore=$(pwdhash -s PBKDF2_SHA256 lantern) hyphen=$(pwdhash -s PBKDF2-SHA256 lantern)
"$folder/venv/bin/python" - "$underscore" "$hyphen" <<'PYTHON'
import base64
import hashlib
import sys

from passlib.hash import ldap_pbkdf2_sha256

underscore, hyphen = sys.argv[1:]
known = [ldap_pbkdf2_sha256.identify(text) for text in (underscore, hyphen)]
data = base64.b64decode(underscore.removeprefix("{PBKDF2_SHA256}"))
iterations, salt, digest = int.from_bytes(data[:4], "big"), data[4:68], data[68:]
made = hashlib.pbkdf2_hmac("sha256", b"lantern", salt, iterations, 256)
print(f"passlib knows underscore, hyphen: {known}; underscore is {len(data)} bytes, {iterations} iterations")
is_as_seen = known == [False, True] and len(data) == 324 and made == digest
sys.exit(not (is_as_seen and ldap_pbkdf2_sha256.verify("lantern", hyphen)))
PYTHON
echo "as seen before"
