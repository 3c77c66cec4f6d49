"""The verbs that tools are named after, in four classes. Collected from the tools of some hundred published servers."""

from __future__ import annotations

OBSERVE = frozenset(
    """are ask browse check count define describe detect diff display enumerate explain explore fetch find get glob grep has
    help identify info inspect is ls list look lookup peek ping preview query read recommend retrieve return returns search show
    stat stats status suggest summarize tail tell view what which who whoami""".split()
)
"""They look at something and leave it as it is."""

COMPUTE = frozenset(
    """align analyse analyze approximate assess audit calc calculate classify compare compute convert correlate decode derive
    determine diagnose differentiate divide encode estimate eval evaluate examine expand extract factor factorize fit forecast
    format generate hash infer integrate interpolate invert lint measure multiply negate normalize optimize parse plan plot
    predict profile rank render resolve round scan score screen segment select simplify simulate solve sort split subtract sum
    test tokenize trace transcribe transform translate validate verify visualize""".split()
)
"""They make something new of what they are given. What they are given may be a copy, or the thing itself."""

MUTABLE = frozenset(
    """convert encode extract format generate invert normalize optimize parse plan plot render resolve select sort split
    transform verify visualize""".split()
)
"""Those of the computing verbs that may as well change, file or settle the thing that they are pointed at."""

WRITE = frozenset(
    """accept activate add allocate amend append apply approve archive assign attach ban book build buy cancel change charge
    checkin checkout clear clone close commit complete compress configure connect copy create deactivate decrease decrement
    delete deploy deposit disable disconnect dismiss drop duplicate edit empty enable enqueue execute export fill finish
    follow forget grant import increase increment index init initialize insert install invite invoke issue join kill launch
    link load lock log login logout mark merge modify move mutate notify open order patch pause pay place pop post process
    propose provision publish pull purchase purge push put rebase rebook record redeem redo refund register reindex reject
    release relocate remember remove rename reopen reorder replace reply request reschedule reserve reset restart restore
    resume revert revoke rollback rotate run save schedule send set setup share sign start stop store submit subscribe
    swap switch sync tag terminate toggle track train transfer trigger truncate unarchive undo unfollow uninstall unlink unlock
    unset unsubscribe untag update upgrade upload upsert wipe withdraw write""".split()
)
"""They change something that stays."""

CLEAR = frozenset("clear empty flush forget purge redo reset rollback truncate undo wipe".split())
"""They take away what other calls have left behind."""

JOURNAL = frozenset("activity audit history journal log logs metrics recent session sessions statistics stats usage".split())
"""Nouns of what a server keeps of the calls themselves."""

ARITHMETIC = frozenset("add change close decrease increase log order sign truncate".split())
"""Writing verbs that do sums where all that is given is numbers."""

VALUES = frozenset(
    """a angle args b base boundary c coefficients data degree denominator divisor end equation equations exponent expr
    expression expressions f fraction func function guess guesses k lhs limit lower m mapping matrix modulus n number numbers
    numerator old_new p pattern point points precision q r rhs s sequence start stop step symbol symbols t u upper v value
    values var
    variable variables vector vectors w x x0 y z""".split()
)
"""Arguments that hold what is computed with, and name nothing that could be kept."""
