"""Names that look like an account's state: some are known to mean something else, the others stop an import."""

import re

# Names with the words of an account's state that are known to mean something else.
OTHERS = frozenset(
    "activesince protectedfromaccidentaldeletion"
    " shadowinactive shadowflag stateprovince state/province stateorprovince stateorprovincename st statecode"
    " countrystate country/state region/state state/region homestate workstate disableablecredentialtypes"
    " forecastenabled suaccessexpirationdate msexchuseraccountcontrol statusexpiration statustext statusemoji"
    " usagestate ismailboxsetup nsroleinfo requiredactions lastactive dormant isdormant billingactive"
    " onpremisessyncenabled exemptionstatus nsidletimeout externaluserstatechangedatetime blockedfor"
    " lockoutduration accountlockoutduration loginintruderresettime loginintruderattempts"
    " loginintruderaddress nsaccountlockstatus validationstatus overallprovisioningstatus auditenabled"
    " singleitemrecoveryenabled calendarversionstoredisabled userstatechangedon onlinestatus connectionstatus".split()
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
    " pgp gpg ssh avatar picture theme dialin rdp vpn wifi exchange lync skype teams protected"
    " prevent retention".split()
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
