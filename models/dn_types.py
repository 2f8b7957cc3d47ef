"""Attribute types that name entries: their names and OIDs, and which of them mind case."""

# Names and OIDs of one attribute type; the first one is the form's (RFC 4519, RFC 4524, RFC 2985, Active Directory).
_ALIASES = """
cn commonname 2.5.4.3
sn surname 2.5.4.4
serialnumber 2.5.4.5
c countryname 2.5.4.6
l localityname 2.5.4.7
st s stateorprovincename 2.5.4.8
street streetaddress 2.5.4.9
o organizationname 2.5.4.10
ou organizationalunitname 2.5.4.11
title t 2.5.4.12
description 2.5.4.13
businesscategory 2.5.4.15
postaladdress 2.5.4.16
postalcode 2.5.4.17
postofficebox 2.5.4.18
telephonenumber 2.5.4.20
member 2.5.4.31
owner 2.5.4.32
name 2.5.4.41
givenname gn g 2.5.4.42
initials i 2.5.4.43
generationqualifier 2.5.4.44
x500uniqueidentifier 2.5.4.45
dnqualifier 2.5.4.46
distinguishedname 2.5.4.49
houseidentifier 2.5.4.51
pseudonym 2.5.4.65
organizationidentifier 2.5.4.97
uid userid 0.9.2342.19200300.100.1.1
mail rfc822mailbox e email emailaddress pkcs9email 0.9.2342.19200300.100.1.3 1.2.840.113549.1.9.1
info 0.9.2342.19200300.100.1.4
host 0.9.2342.19200300.100.1.9
dc domaincomponent 0.9.2342.19200300.100.1.25
associateddomain 0.9.2342.19200300.100.1.37
mobile mobiletelephonenumber 0.9.2342.19200300.100.1.41
co friendlycountryname 0.9.2342.19200300.100.1.43
uniqueidentifier 0.9.2342.19200300.100.1.44
organizationalstatus 0.9.2342.19200300.100.1.45
employeenumber 2.16.840.1.113730.3.1.3
employeetype 2.16.840.1.113730.3.1.4
displayname 2.16.840.1.113730.3.1.241
uidnumber 1.3.6.1.1.1.1.0
gidnumber 1.3.6.1.1.1.1.1
homedirectory 1.3.6.1.1.1.1.3
memberuid 1.3.6.1.1.1.1.12
automountmapname 1.3.6.1.1.1.1.31
automountkey 1.3.6.1.1.1.1.32
labeleduri labeledurl 1.3.6.1.4.1.250.1.57
entryuuid 1.3.6.1.1.16.4
samaccountname 1.2.840.113556.1.4.221
userprincipalname 1.2.840.113556.1.4.656
krbprincipalname 2.16.840.1.113719.1.301.6.8.1
"""
TYPES = {alias: names.split()[0] for names in _ALIASES.strip().splitlines() for alias in names.split()}
# Whose equality rule minds case (RFC 2307, RFC 2079, the Kerberos schema). All others are compared without it.
MINDS_CASE = frozenset({"automountkey", "homedirectory", "krbprincipalname", "labeleduri", "memberuid"})
