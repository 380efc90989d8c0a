\* SPDX-License-Identifier: GPL-2.0-only
------------------------------ MODULE Pool ------------------------------
\* huge-page reservation reference model; the model of ../pool.py
EXTENDS Naturals, Sequences, FiniteSets, TLC
CONSTANTS VMAS, CGS, NODES, NONE, B, P
VARIABLES free, resv, usage, vma, sigbus
vars == <<free, resv, usage, vma, sigbus>>
LIMIT == 2*B - 1
Dead == [live |-> FALSE, cg |-> NONE, bind |-> NONE, pg |-> <<>>]
RECURSIVE SumF(_, _)
SumF(f, S) == IF S = {} THEN 0 ELSE LET x == CHOOSE x \in S : TRUE IN f[x] + SumF(f, S \ {x})
FreeTot == SumF(free, NODES)
Count(s, x) == Cardinality({i \in DOMAIN s : s[i] = x})
Allowed(v, n) == vma[v].bind = NONE \/ vma[v].bind = n

Init == /\ free = [n \in NODES |-> B]
        /\ resv = 0
        /\ usage = [c \in CGS |-> 0]
        /\ vma = [v \in VMAS |-> Dead]
        /\ sigbus = FALSE

Mmap(v, c, b, l) ==
  /\ ~vma[v].live
  /\ FreeTot >= resv + l
  /\ usage[c] + l <= LIMIT
  /\ vma' = [vma EXCEPT ![v] = [live |-> TRUE, cg |-> c, bind |-> b, pg |-> [i \in 1..l |-> NONE]]]
  /\ resv' = resv + l
  /\ usage' = [usage EXCEPT ![c] = @ + l]
  /\ UNCHANGED <<free, sigbus>>

Fault(v, i, n) ==
  /\ vma[v].pg[i] = NONE
  /\ Allowed(v, n)
  /\ free[n] > 0
  /\ free' = [free EXCEPT ![n] = @ - 1]
  /\ resv' = resv - 1
  /\ vma' = [vma EXCEPT ![v].pg[i] = n]
  /\ UNCHANGED <<usage, sigbus>>

SigBus(v, i) ==
  /\ vma[v].pg[i] = NONE
  /\ \A n \in NODES : Allowed(v, n) => free[n] = 0
  /\ sigbus' = TRUE
  /\ UNCHANGED <<free, resv, usage, vma>>

Munmap(v) ==
  /\ vma[v].live
  /\ free' = [n \in NODES |-> free[n] + Count(vma[v].pg, n)]
  /\ resv' = resv - Count(vma[v].pg, NONE)
  /\ usage' = [usage EXCEPT ![vma[v].cg] = @ - Len(vma[v].pg)]
  /\ vma' = [vma EXCEPT ![v] = Dead]
  /\ UNCHANGED sigbus

Split(v, w, k) ==
  /\ vma[v].live /\ ~vma[w].live
  /\ k < Len(vma[v].pg)
  /\ vma' = [vma EXCEPT ![v].pg = SubSeq(@, 1, k),
                        ![w] = [vma[v] EXCEPT !.pg = SubSeq(@, k+1, Len(@))]]
  /\ UNCHANGED <<free, resv, usage, sigbus>>

Merge(v, w) ==
  /\ v # w /\ vma[v].live /\ vma[w].live
  /\ vma[v].cg = vma[w].cg /\ vma[v].bind = vma[w].bind
  /\ Len(vma[v].pg) + Len(vma[w].pg) <= P
  /\ vma' = [vma EXCEPT ![v].pg = @ \o vma[w].pg, ![w] = Dead]
  /\ UNCHANGED <<free, resv, usage, sigbus>>

Migrate(v, i, n) ==
  /\ vma[v].pg[i] # NONE /\ vma[v].pg[i] # n
  /\ free[n] > 0
  /\ free' = [free EXCEPT ![n] = @ - 1, ![vma[v].pg[i]] = @ + 1]
  /\ vma' = [vma EXCEPT ![v].pg[i] = n]
  /\ UNCHANGED <<resv, usage, sigbus>>

Next ==
  \E v \in VMAS :
    \/ \E c \in CGS, b \in NODES \cup {NONE}, l \in 1..P : Mmap(v, c, b, l)
    \/ \E i \in DOMAIN vma[v].pg :
         \/ \E n \in NODES : Fault(v, i, n) \/ Migrate(v, i, n)
         \/ SigBus(v, i)
    \/ Munmap(v)
    \/ \E w \in VMAS : Merge(v, w) \/ \E k \in 1..P-1 : Split(v, w, k)

Spec == Init /\ [][Next]_vars

Symm == Permutations(VMAS) \cup Permutations(CGS) \cup Permutations(NODES)

ResvExact == resv = SumF([v \in VMAS |-> Count(vma[v].pg, NONE)], VMAS)
FreeExact == \A n \in NODES : free[n] + SumF([v \in VMAS |-> Count(vma[v].pg, n)], VMAS) = B
UsageExact == \A c \in CGS : usage[c] = SumF([v \in VMAS |-> IF vma[v].cg = c THEN Len(vma[v].pg) ELSE 0], VMAS)
ResvBacked == resv <= FreeTot
NoSigbus == ~sigbus
=============================================================================
