"""The columns and attributes by which other systems say that an account is disabled, locked, deleted or expired.

Names stand in their normal form (`columns.normal`). A name that only looks like one of these is in `OTHERS`.
"""

import re
from collections.abc import Mapping

from resolvers.importers import account_readers as read
from resolvers.importers.account_readers import Reader

_HAS_ACCESS = read.has_access
_HAS_NONE = read.has_no_access
_RESTRICTS = read.restricts
_HAPPENED = read.happened

SYSTEMS: Mapping[str, Mapping[str, Reader]] = {
    "usergraph, SCIM, Jira, Crowd, ServiceNow, Rocket.Chat, Zendesk": {
        "active": _HAS_ACCESS,
        "isactive": _HAS_ACCESS,
    },
    "Google Workspace": {
        "status": read.status,
        "newstatus": read.status,
        "suspended": _HAS_NONE,
        "archived": _RESTRICTS,
        "isarchived": _RESTRICTS,
        "deletiontime": _HAPPENED,
        "suspensionreason": _HAPPENED,
    },
    "Okta": {"activated": read.was_activated, "accountstatus": read.status},
    "Microsoft Entra ID and Microsoft 365": {
        "accountenabled": _HAS_ACCESS,
        "blockcredential": _HAS_NONE,
        "blocksignin": _HAS_NONE,
        "blocksignin(yes/no)": _HAS_NONE,
        "signinblocked": _HAS_NONE,
        "signinstatus": read.status,
        "deleteddatetime": _HAPPENED,
        "softdeletiontimestamp": _HAPPENED,
        "deletiontimestamp": _HAPPENED,
        "externaluserstate": read.accepted,
        "invitationstate": read.accepted,
        "employeeleavedatetime": read.ends,
    },
    "Active Directory, by csvde, ldifde and PowerShell": {
        "useraccountcontrol": read.user_account_control,
        "msdsuseraccountcontrolcomputed": read.computed_account_control,
        "enabled": _HAS_ACCESS,
        "isenabled": _HAS_ACCESS,
        "lockedout": _RESTRICTS,
        "lockouttime": _HAPPENED,
        "accountlockouttime": _HAPPENED,
        "accountexpires": read.ends,
        "accountexpirationdate": read.ends,
        "msdsuseraccountdisabled": _HAS_NONE,
        "msdsuseraccountautolocked": _RESTRICTS,
    },
    "389 Directory Server, FreeIPA and Kerberos": {
        "nsaccountlock": _HAS_NONE,
        "nsuserdisabled": _HAS_NONE,
        "nsrole": read.disabling_role,
        "nsroledn": read.disabling_role,
        "accountunlocktime": read.locked_until,
        "accountdisabled": _HAS_NONE,
        "preserved": _RESTRICTS,
        "krbprincipalexpiration": read.ends,
        "krbaccountlockedout": _RESTRICTS,
    },
    "OpenLDAP's password policy and others of the same draft": {
        "pwdaccountlockedtime": _HAPPENED,
        "pwdaccounttmplockoutend": read.begins,
        "pwdstarttime": read.begins,
        "pwdendtime": read.ends,
        "ibmpwdaccountlocked": _RESTRICTS,
        "pwdaccountdisabled": _HAS_NONE,
    },
    "OpenDJ, ForgeRock, Ping and Oracle directories": {
        "dspwpaccountdisabled": _HAS_NONE,
        "dspwpaccountexpirationtime": read.ends,
        "dspwpaccountactivationtime": read.begins,
        "orclisenabled": _HAS_ACCESS,
        "orclactiveenddate": read.ends,
        "orclactivestartdate": read.begins,
        "inetuserstatus": read.status,
        "obuseraccountcontrol": read.status,
        "account.canauthenticate": _HAS_ACCESS,
        "canauthenticate": _HAS_ACCESS,
        "account.status": read.status,
        "lifecycle.status": read.status,
    },
    "eDirectory": {
        "logindisabled": _HAS_NONE,
        "loginexpirationtime": read.ends,
        "loginactivationtime": read.begins,
        "lockedbyintruder": _RESTRICTS,
    },
    "shadow and Samba": {
        "shadowexpire": read.expires_on_day,
        "sambaacctflags": read.samba_flags,
        "acctflags": read.samba_flags,
        "sambakickofftime": read.ends,
        "kickofftime": read.ends,
    },
    "GitLab and GitHub": {
        "locked": _RESTRICTS,
        "blocked": _HAS_NONE,
        "banned": _RESTRICTS,
        "deactivated": _HAS_NONE,
        "suspendedat": _HAPPENED,
        "suspendedon": _HAPPENED,
        "blockedat": _HAPPENED,
        "bannedat": _HAPPENED,
        "banneduntil": read.begins,
        "deactivatedat": _HAPPENED,
        "membershipstate": read.status,
        "accessexpires": read.ends,
        "accessexpiresat": read.ends,
    },
    "Grafana, Nextcloud, Firebase, Snowflake": {
        "disabled": _HAS_NONE,
        "isdisabled": _HAS_NONE,
        "snowflakelock": _RESTRICTS,
        "lockeduntiltime": read.begins,
        "expiresattime": read.ends,
    },
    "Atlassian": {
        "userstatus": read.user_status,
        "userstate": read.status,
        "membershipstatus": read.status,
    },
    "Slack, Mattermost and Discourse": {
        "deleted": _RESTRICTS,
        "isdeleted": _RESTRICTS,
        "deletedat": _HAPPENED,
        "deleteat": _HAPPENED,
        "expirationtimestamp": read.ends,
        "suspendedtill": read.begins,
        "suspendeduntil": read.begins,
    },
    "Salesforce and Oracle Database": {
        "isfrozen": _RESTRICTS,
        "frozen": _RESTRICTS,
        "userlogin.isfrozen": _RESTRICTS,
        "profilestatus": read.status,
    },
    "OneLogin and JumpCloud": {
        "lockeduntil": read.begins,
        "accountlocked": _RESTRICTS,
        "accountlockeddate": _HAPPENED,
    },
    "Dropbox and Zoom": {"memberstatus": read.status, "status..tag": read.status, "teammemberstatus": read.status},
    "Amazon Cognito and IAM Identity Center": {"cognito:userstatus": read.status},
    "Workday, BambooHR, Personio, HiBob, SuccessFactors": {
        "activestatus": read.status,
        "workerstatus": read.status,
        "employeestatus": read.status,
        "employmentstatus": read.status,
        "employmenthistorystatus": read.status,
        "lifecyclestatus": read.status,
        "lifecyclestate": read.status,
        "positionstatus": read.status,
        "personstatus": read.status,
        "terminated": _RESTRICTS,
        "isterminated": _RESTRICTS,
        "terminationdate": read.ends,
        "terminatedat": read.ends,
        "dateoftermination": read.ends,
        "terminatedon": read.ends,
        "contractend": read.ends,
        "contractenddate": read.ends,
        "contractendson": read.ends,
        "employmentend": read.ends,
        "employmentenddate": read.ends,
        "enddate": read.ends,
        "leavedate": read.ends,
        "leavingdate": read.ends,
        "dateofleaving": read.ends,
        "exitdate": read.ends,
        "lastday": read.ends,
        "lastdayofwork": read.ends,
        "lastworkingday": read.ends,
        "austrittsdatum": read.ends,
        "vertragsende": read.ends,
    },
    "Moodle, Drupal, Joomla, SAP and others": {
        "block": _HAS_NONE,
        "confirmed": read.was_activated,
        "uflag": read.locked_zero,
        "gltgb": read.ends,
        "gltgv": read.begins,
        "inactive": _HAS_NONE,
        "isinactive": _HAS_NONE,
        "isblocked": _HAS_NONE,
        "issuspended": _HAS_NONE,
        "islocked": _RESTRICTS,
        "isbanned": _RESTRICTS,
        "isrevoked": _HAS_NONE,
        "revoked": _HAS_NONE,
        "revokedat": _HAPPENED,
        "isdeactivated": _HAS_NONE,
        "isexpired": _RESTRICTS,
        "expired": _RESTRICTS,
        "accountexpired": _RESTRICTS,
        "accountlockedout": _RESTRICTS,
        "accountactive": _HAS_ACCESS,
        "accountstate": read.status,
        "useractive": _HAS_ACCESS,
        "userenabled": _HAS_ACCESS,
        "userdisabled": _HAS_NONE,
        "loginenabled": _HAS_ACCESS,
        "loginallowed": _HAS_ACCESS,
        "loginstatus": read.status,
        "archivedat": _HAPPENED,
        "disabledat": _HAPPENED,
        "lockedat": _HAPPENED,
        "expires": read.ends,
        "expiresat": read.ends,
        "expireson": read.ends,
        "expirydate": read.ends,
        "expirationdate": read.ends,
        "accountexpiry": read.ends,
        "accountexpiration": read.ends,
        "accountexpirydate": read.ends,
        "accountexpiresat": read.ends,
        "accountexpireson": read.ends,
        "validuntil": read.ends,
        "validto": read.ends,
        "validthrough": read.ends,
        "validfrom": read.begins,
        "gesperrt": _HAS_NONE,
        "deaktiviert": _HAS_NONE,
        "aktiv": _HAS_ACCESS,
        "aktiviert": _HAS_ACCESS,
        "actif": _HAS_ACCESS,
        "activo": _HAS_ACCESS,
        "bloqueado": _HAS_NONE,
        "désactivé": _HAS_NONE,
        "bloqué": _HAS_NONE,
    },
}
STATES: Mapping[str, Reader] = {name: reader for names in SYSTEMS.values() for name, reader in names.items()}

# One name for two things: GitLab, OneLogin and JumpCloud mean the account, Microsoft 365 and Salesforce a place.
AMBIGUOUS = frozenset(["state"])
PLACES = frozenset(
    "city town country countrycode countryregion country/region countryorregion postalcode zip zipcode street"
    " streetaddress address addressline1 locality l st usagelocation postcode region".split()
)

# Names with the words of an account's state that are known to mean something else.
OTHERS = frozenset(
    "shadowinactive shadowflag stateprovince state/province stateorprovince stateorprovincename st statecode"
    " countrystate country/state region/state state/region homestate workstate disableablecredentialtypes forecastenabled"
    " suaccessexpirationdate msexchuseraccountcontrol statusexpiration statustext statusemoji usagestate"
    " ismailboxsetup nsroleinfo requiredactions lastactive dormant isdormant billingactive onpremisessyncenabled"
    " exemptionstatus nsidletimeout externaluserstatechangedatetime blockedfor lockoutduration accountlockoutduration"
    " loginintruderresettime loginintruderattempts loginintruderaddress nsaccountlockstatus".split()
)
_OTHER_PREFIXES = ("msexch", "msrtcsip", "msts", "userpreferences", "userpermissions", "extensionattribute")
_OTHER_WORDS = frozenset(
    "password passwd passcode pwd mfa 2fa 2sv two twofactor factor otp totp u2f webauthn fido sync synced dirsync"
    " license licence licenses licences licensed subscription mail email phone mobile telephone fax address home us"
    " street city country region province postal zip billing shipping marital civil visa veteran veterans tax"
    " immigration passport citizenship vaccination payment order task project ticket invoice card badge certificate"
    " cert key token session sessions device devices screen mailbox litigation archive forwarding protocol imap pop"
    " owa mapi activesync ews notification notifications newsletter marketing opt consent gdpr cookie message text"
    " emoji presence availability online chat video call meeting count days training survey probation review"
    " background benefits payroll exempt flsa aca manager supervisor creator created updated modified changed change"
    " photo profilephoto trial forecast portal quota storage drive smoking disability disabilities military student"
    " pgp gpg ssh avatar picture theme dialin rdp vpn wifi exchange lync skype teams".split()
)
_WORD_OF_A_STATE = re.compile(
    r"status|stat(e|us)s?|enabled|disabled?|(de|in|re)?activ(e|ated|o|é)|active|blocked|block|blocking|locked|lockout"
    r"|lock|unlocked|suspended|suspension|suspend|frozen|banned|ban|revoked|archived|deleted|deletion|terminated"
    r"|termination|expire[sd]?|expiry|expiration|deprovisioned|offboarded|offboarding|leaver|resigned|dismissed"
    r"|retired|deceased|dormant|(in|de)?akti(v|viert)|gesperrt|sperre|sperrung|gelöscht|bloque(ado|é)|bloqué"
    r"|bloccato|sospeso|desactivado|désactivé|inactif|actif|verrouillé|suspendu|suspendido|geblokkeerd|inactief"
)
_WITHIN_A_WORD = re.compile(
    r"disabled|suspend|deactiv|inactiv|lockout|lockedout|locked(time|at|on|date)?$|blocked|terminat|expir|revoked"
    r"|archived|deleted|^is(en|dis)abled|^isactive|enabled$|(account|user|member|login|employ\w*)(status|state|active|lock)"
    r"|gesperrt|deaktiv|inaktiv"
)
_WITHIN_OTHERS = re.compile(r"passw|pwd(?!account)|mfa|2fa|totp|sync|mail|phone|licen[sc]e|certificate|address")


def looks_like_state(name: str) -> bool:
    """Whether a name that is not in the table seems to speak of an account's state."""
    plain = re.sub(r"[\s_?:-]+", "", name).casefold()
    last = plain.rpartition(".")[2]
    if {plain, last} & OTHERS or last.startswith(_OTHER_PREFIXES):
        return False
    words = [word.casefold() for word in re.findall(r"[A-ZÀ-Þ]+(?![a-zà-ÿ])|[A-ZÀ-Þ]?[a-zà-ÿ]+|\d+[a-z]*", name)]
    if _OTHER_WORDS & set(words):
        return False
    if any(_WORD_OF_A_STATE.fullmatch(word) for word in words):
        return True
    return bool(_WITHIN_A_WORD.search(plain)) and not _WITHIN_OTHERS.search(plain)
