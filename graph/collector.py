"""The garbage collector of a process that makes very many objects at once and few cycles."""

import gc

THRESHOLDS = (10_000, 20, 50)


def settle() -> None:
    """What was made until now stays for good and is not looked through again; what comes is looked through seldom.

    A call of ten thousand rows makes a million objects, and the collector's own steps took half of its time: it looked
    for cycles where there are none, through the schema again and again. Objects without cycles go at once as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
