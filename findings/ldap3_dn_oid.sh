#!/usr/bin/env bash
# ldap3 2.9.1: `parse_dn` refuses distinguished names that RFC 4514 gives as examples.
#
# Expected: "1.3.6.1.4.1.1466.0=#04024869" (RFC 4514, section 4) and "2.5.4.3=Jane,dc=example" are read.
# Seen: LDAPInvalidDnError, "character '.' not allowed in attribute type" and "character # not allowed in hex
# representation of attribute value". Servers take both spellings, so a DN has to be read without this function.
# Exits 0 while that is so, 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ldap3==2.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys

from ldap3 import __version__
from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.dn import parse_dn

refused = []
for text in ("1.3.6.1.4.1.1466.0=#04024869", "2.5.4.3=Jane,dc=example", "cn=#0C044A616E65,dc=example"):
    try:
        print(f"{text}: {parse_dn(text)}")
    except LDAPInvalidDnError as error:
        print(f"{text}: {error}")
        refused.append(text)
print(f"ldap3 {__version__}: {len(refused)} of 3 valid names refused")
sys.exit(0 if len(refused) == 3 else 1)
PYTHON
