# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that hugetlb once had and that no design here can have yet, each with what
the model lacks."""

from poolproof.model.designs.bug import Bug

STEPS = "steps of two tasks between each other, while a lock is dropped"
FAILURES = "region_add() of several indices that fails"
USERFAULTFD = "userfaultfd: UFFDIO_COPY, in its two halves"
MEMFD = "memfd_pin_folios"

GATHER = Bug(
    "ac09b3a15154?",
    "2.6.26",
    "another mapping takes the surplus pages gathered for a reservation",
    lacks=STEPS,
)
READ_ONLY = Bug(
    "f83a275dbc5c",
    "2.6.30",
    "a shared mapping of a read-only descriptor counts as private in places",
    lacks="read-only descriptors: VM_MAYSHARE without VM_SHARED",
)
SOFT_OFFLINE = Bug(
    "4ef918482808?",
    "3.12",
    "the replacement of a page that goes offline is a promised one",
    lacks="soft offlining of pages in use",
)
RESERVE_RACE = Bug(
    "33039678c8da?",
    "4.2",
    "a fault and a mmap of the same index both pay for it",
    lacks=STEPS,
)
FREE_SURPLUS_RACE = Bug(
    "e5bbc8a6c992",
    "4.10",
    "others reserve surplus pages while they are being freed",
    lacks=STEPS,
)
COPY_ERROR = Bug(
    "",
    "4.11",
    "UFFDIO_COPY that fails brings a promise back that is still there",
    lacks=USERFAULTFD,
)
CLEAN_PAGES = Bug(
    "22146c3ce989?",
    "4.20",
    "drop_caches frees pages of files, and their indices stay in the map",
    lacks="drop_caches",
)
RESERVED_ANYWAY = Bug(
    "7fc2513aa237",
    "5.11",
    "mmap succeeds although region_add() failed, and nothing is reserved",
    lacks=FAILURES,
)
FIX_COUNTS = Bug(
    "da56388c4397",
    "5.13",
    "a hole without memory promises a page that the subpool refused",
    lacks="a drift that the fix removes: it warns, and the counts stay wrong",
)
COPY_TWICE = Bug(
    "d84cf06e3dd8",
    "5.13",
    "UFFDIO_COPY to an index that is in the cache takes a second promise",
    lacks=USERFAULTFD,
)
COPY_RACE = Bug(
    "8cc5fcbb5be8",
    "5.14",
    "UFFDIO_COPY and a fault take two promises for one index",
    lacks=f"{USERFAULTFD}; {STEPS}",
)
CMA_PIECES = Bug(
    "a01f43901cfb",
    "5.16",
    "pieces of a demoted CMA page go to the buddy allocator",
    lacks="demotion of gigantic pages of CMA areas",
)
UNLOCKED = Bug(
    "12df140f0bdf",
    "6.1",
    "resv_huge_pages is changed without hugetlb_lock",
    lacks=STEPS,
)
SHMAT = Bug(
    "e656c7a9e596",
    "6.8",
    "shmat() reserves what shmget(SHM_NORESERVE) did not",
    lacks="System V shared memory: shmget, shmat",
)
UNLOCKED_UNCHARGE = Bug(
    "b76b46902c2d",
    "6.9",
    "rsvd is uncharged without hugetlb_lock",
    lacks=STEPS,
)
PIN_REFERENCE = Bug(
    "c56b6f3d801d",
    "6.12",
    "memfd_pin_folios() leaves a reference: the page is never free",
    lacks=MEMFD,
)
PIN_PROMISE = Bug(
    "26a8ea80929c",
    "6.12",
    "memfd_pin_folios() takes a promised page and leaves the promise",
    lacks=MEMFD,
)
