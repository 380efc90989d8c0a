# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that hugetlb once had and that no design here can have yet, each with what
the model lacks."""

from poolproof.model.designs.bug import Bug

FAILURES = "region_add() of several indices that fails"
USERFAULTFD = "userfaultfd: UFFDIO_COPY, in its two halves"
MEMFD = "memfd_pin_folios"

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
CMA_PIECES = Bug(
    "a01f43901cfb",
    "5.16",
    "pieces of a demoted CMA page go to the buddy allocator",
    lacks="demotion of gigantic pages of CMA areas",
)
SHMAT = Bug(
    "e656c7a9e596",
    "6.8",
    "shmat() reserves what shmget(SHM_NORESERVE) did not",
    lacks="System V shared memory: shmget, shmat",
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
