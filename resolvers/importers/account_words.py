"""Words by which systems say that an account has access or has none, without case, spaces and punctuation."""

import re

_ACTIVE = """
active activated enabled ok accountok approved accepted confirmed open current employed working live valid normal
member admin owner primaryowner fullmember regular guest multichannelguest singlechannelguest restricted
ultrarestricted passwordexpired recovery passwordreset resetrequired forcechangepassword awaitingpasswordreset
passwordpending passwordresetrequired mustchangepassword securityquestionsrequired externalprovider bypass
cannotdeleteedit cannotdeleteeditupload recoverystarted recoveryaccepted expiredgrace unlocked unblocked reactivated
fulltime parttime contractor permanent temporary intern fixedterm apprentice probation
leave onleave leaveofabsence paidleave unpaidleave parentalleave maternityleave paternityleave sickleave
aktiv aktiviert freigeschaltet beschäftigt actif activé activo activa habilitado attivo abilitato ativo ativado
actief ingeschakeld aktywny aktivní
"""
_INACTIVE = """
inactive deactivated deactive disabled blocked blockedpendingapproval ldapblocked banned suspended locked lockedout
softlocked hardlocked expired expiredlocked accountexpired accountlocked accountdisabled deprovisioned staged
provisioned pending pendingactivation pendingapproval pendinguseraction pendingacceptance pendingsetup pendingstart
pendingdeletion pendinginvitation pendinginvite pendingverification awaitingactivation awaitingapproval
awaitingacceptance awaiting invited invitedmember invitationsent invitesent activationsent activationrequired
notactivated unactivated notactive unconfirmed unverified notyetstarted notstarted initial new created onboarding
preboarding prehire prestart futurehire
deleted softdeleted removed purged archived closed terminated termination retired deceased resigned dismissed laidoff
left leaver leaving exited former formeremployee exemployee quit separated offboarded offboarding gardenleave
furloughed revoked frozen cancelled canceled rejected denied declined unapproved unlicensed compromised nomembership
withdrawn discontinued dormant hidden transferstarted transfersuspended notinuse unused obsolete
inaktiv deaktiviert gesperrt blockiert gelöscht archiviert ausgetreten ausgeschieden gekündigt abgelaufen ruhend
inactif désactivé bloqué suspendu supprimé archivé verrouillé expiré inactivo inactiva desactivado bloqueado
suspendido eliminado deshabilitado caducado inattivo disattivato disabilitato bloccato sospeso eliminato scaduto
inativo desativado desabilitado suspenso excluído inactief uitgeschakeld geblokkeerd verwijderd geschorst
nieaktywny zablokowany wyłączony usunięty neaktivní zablokovaný
"""
ACTIVE = frozenset(_ACTIVE.split())
INACTIVE = frozenset(_INACTIVE.split())
YES = frozenset("true yes y 1 1.0 on t x wahr ja vrai oui verdadero sí si sim vero waar".split())
NO = frozenset("false no n 0 0.0 off f falsch nein faux non falso não nao onwaar nee".split())
_PREFIXES = ("userstate", "userstatus", "accountstatus", "employmentstatus")


def plain(text: str) -> str:
    """The word alone: `LOCKED_OUT`, `Locked out` and `LockedOut` are one."""
    word = re.sub(r"[\W_]+", "", text.casefold())
    return next((word.removeprefix(prefix) for prefix in _PREFIXES if word.startswith(prefix) and word != prefix), word)


def meaning(text: str) -> bool | None:
    """Whether the word gives access; None where it is unknown. `Suspended (abuse)` is known by its first word."""
    word = plain(text)
    if word in ACTIVE:
        return True
    first = plain(re.split(r"[\s:;(,/|]|\s[-–—]\s", text.strip(), maxsplit=1)[0])
    return False if word in INACTIVE or first in INACTIVE - _FIRST_OF_OTHERS else None


# As first words they say nothing by themselves: `New York`, `Left bank`, `Created by hand`.
_FIRST_OF_OTHERS = frozenset("new left created hidden initial former leaving".split())
