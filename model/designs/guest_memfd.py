# SPDX-License-Identifier: GPL-2.0-only
"""guest_memfd over hugetlb's pool.

Source: the short-term plan named in the mail of 2026-06-29 ("take pages from
hugetlb's pool"), and the talks on it; no merged code. Design choices are those
of the talks: a file reserves what it may ever need when it is created (a
subpool per inode), takes pages at first use, splits one where a part becomes
shared with the host, and merges it when all is private again.

Modelled: the pool of model/blocks/page_pool.py, and (``hugetlb_users``) others
who take its pages; files, faults, hole punch, eviction. Features: ``partial``
(conversion of a part to shared and back), where the split needs memory for the
page structures that HVO saved, and merging fails while anybody holds a
reference (``pins``), until which these structures stay; binding to nodes; a
memcg charge at the first use; memory errors in free pages; writes to nr_hugepages,
which end early where others' unmovable pages are in the way.
Left out: 1 GiB to 4 KiB in more than one level, in-place population, mmap of
private pages, migration and swap (there is none), the guest.
"""

from poolproof.model.blocks.page_pool import PagePool
from poolproof.model.blocks.pins import Pins
from poolproof.model.designs.names import (
    BLOCKS,
    EAGAIN,
    ENOMEM,
    FILES,
    LIMIT,
    MEMCG,
    NODES,
    NUMA,
    OK,
    OOM,
    PINS,
    POISON,
    PUNCH,
    SIGBUS,
    Errno,
    P,
)
from poolproof.model.language import (
    Bool,
    Bound,
    Design,
    Feature,
    Int,
    Maybe,
    action,
    observer,
    require,
    table,
    var,
)

SPARE = Bound("spare", 1, doc="memory for page structures, in huge pages split")

PAGES = Int(0, P - 1)

USERS = Feature("hugetlb_users", False, "hugetlb's own users of the pool")
PARTIAL = Feature("partial", False, "conversion of parts to shared and back")
RESIZE = Feature("resize", False, "hugetlb's pool grows and shrinks at runtime")


class GuestMemfd(Design):
    """Files of guest memory, with pages of hugetlb's pool."""

    assumed: tuple[str, ...] = ("sketch: no surplus pages",)

    h = PagePool(NODES, BLOCKS, BLOCKS, POISON, RESIZE)
    size = table(FILES, Int(0, P), doc="0: no file")
    page = table(FILES, PAGES, Maybe(NODES))
    split = table(FILES, PAGES, Bool(), when=PARTIAL)
    pins = Pins(FILES, PAGES, NODES, BLOCKS, PINS)
    vmemmap = var(Int(0, SPARE), init=SPARE, when=PARTIAL)
    unmerged = table(
        NODES,
        Int(0, BLOCKS),
        when=(PARTIAL, PINS),
        doc="pages in limbo that are split",
    )
    hugetlb = table(NODES, Int(0, BLOCKS), when=USERS, doc="pages of hugetlb's users")
    mems = table(FILES, Maybe(NODES), when=NUMA, doc="shared policy; None: all")
    failed = var(Bool(), doc="a promised fault has failed")

    # -- what the common specs ask --

    total = h.total

    @observer
    def populated(self):
        return sum(1 for f in FILES for p in PAGES if self.page[f, p] is not None)

    @observer
    def entitled(self):
        """The sizes of the files that exist."""
        return sum(self.size[f] for f in FILES)

    @observer
    def borrowed(self):
        """Loans: hugetlb's users have the right that guest memory has."""
        return 0

    @observer
    def hugetlb_pages(self):
        return sum(self.hugetlb[n] for n in NODES)

    @observer
    def kinds(self):
        """Kinds of consumers that have a page: guest memory, hugetlb's users."""
        guests = 1 if self.populated() > 0 else 0
        return guests + (1 if self.hugetlb_pages() > 0 else 0)

    @observer
    def foreign(self):
        """Pages in use that no file has, nor I/O on a former one."""
        return (
            self.h.nr_huge_pages()
            - self.h.free_huge_pages()
            - self.populated()
            - self.hugetlb_pages()
            - self.pins.in_limbo()
        )

    @observer
    def small(self):
        """Pages that are split, because the guest shares a part."""
        return sum(1 for f in FILES for p in PAGES if self.split[f, p])

    @observer
    def swapped(self):
        return 0

    @observer
    def idle(self):
        """No file, no page of hugetlb's users, and no I/O under way."""
        quiet = self.hugetlb_pages() == 0 and self.pins.in_limbo() == 0
        return quiet and all(self.size[f] == 0 for f in FILES)

    # -- parts --

    def allowed(self, file, node):
        if NUMA:
            return self.mems[file] is None or self.mems[file] == node
        return True

    def has_page(self, file, page):
        """Whether there is a page that the host may map, and pin."""
        return self.page[file, page] is not None

    def free_page(self, node):
        """The last reference of a page is gone: it is merged, which gives its
        page structures back, and goes to the pool. Of several that I/O kept,
        those that are whole come first."""
        self.h.free[node] += 1
        if PARTIAL and PINS and self.unmerged[node] > self.pins.limbo[node]:
            self.unmerged[node] -= 1
            self.vmemmap += 1

    def drop(self, file, page):
        """A page leaves the file. A reference on a part keeps it split."""
        node = self.page[file, page]
        if node is not None:
            if self.split[file, page]:
                self.split[file, page] = False
                if self.pins.pinned[file, page]:
                    self.unmerged[node] += 1
                else:
                    self.vmemmap += 1
            self.pins.give_up(file, page, node)
            self.page[file, page] = None

    # -- files --

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_create")
    def create(self, file: FILES, pages: Int(1, P)) -> Errno:
        """Reserves all of the file."""
        require(self.size[file] == 0)
        if pages > self.h.available():
            return ENOMEM
        self.h.resv += pages
        self.size[file] = pages
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_get_folio", chosen="node")
    def fault(self, file: FILES, page: PAGES, node: NODES) -> Errno:
        """A page of the pool. At memory.max vmf_error() makes VM_FAULT_OOM of
        -ENOMEM; without a page it makes SIGBUS of -ENOSPC."""
        require(page < self.size[file] and self.page[file, page] is None)
        require(self.allowed(file, node))
        none = all(self.h.usable(n) <= 0 or not self.allowed(file, n) for n in NODES)
        require(none or self.h.usable(node) > 0)
        full = MEMCG and self.populated() >= LIMIT
        if none or full:
            self.failed = True
            return OOM if full else SIGBUS
        self.h.free[node] -= 1
        self.h.resv -= 1
        self.page[file, page] = node
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_punch_hole", when=PUNCH)
    def punch(self, file: FILES, page: PAGES) -> Errno:
        """The page goes back, and is promised again."""
        require(self.page[file, page] is not None)
        if self.pins.pinned[file, page]:
            return EAGAIN
        self.drop(file, page)
        self.h.resv += 1
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_release")
    def evict(self, file: FILES):
        require(self.size[file] > 0)
        self.h.resv -= self.size[file] - sum(
            1 for p in PAGES if self.page[file, p] is not None
        )
        for p in PAGES:
            self.drop(file, p)
        self.size[file] = 0
        self.mems[file] = None

    # -- conversion --

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_set_attributes", when=PARTIAL)
    def share(self, file: FILES, page: PAGES) -> Errno:
        """A part becomes shared: the page is split, its vmemmap restored."""
        require(self.page[file, page] is not None and not self.split[file, page])
        if self.vmemmap == 0:
            return ENOMEM
        self.vmemmap -= 1
        self.split[file, page] = True
        return OK

    @action(kernel="virt/kvm/guest_memfd.c:kvm_gmem_set_attributes", when=PARTIAL)
    def unshare(self, file: FILES, page: PAGES) -> Errno:
        """All is private again: merged, unless somebody holds a reference."""
        require(self.split[file, page])
        if self.pins.pinned[file, page]:
            return EAGAIN
        self.split[file, page] = False
        self.vmemmap += 1
        return OK

    # -- the pool's other users --

    @action(kernel="mm/hugetlb.c:alloc_hugetlb_folio", when=USERS, silent=True)
    def hugetlb_fault(self, node: NODES) -> Errno:
        """A fault of hugetlb without a promise: what nobody was promised."""
        require(self.h.usable(node) > 0)
        if self.h.available() <= 0:
            return SIGBUS
        self.h.free[node] -= 1
        self.hugetlb[node] += 1
        return OK

    @action(kernel="mm/hugetlb.c:free_huge_folio", when=USERS, silent=True)
    def hugetlb_free(self, node: NODES):
        require(self.hugetlb[node] > 0)
        self.hugetlb[node] -= 1
        self.h.free[node] += 1

    # -- binding --

    @action(kernel="mm/mempolicy.c:mpol_set_shared_policy", when=NUMA)
    def bind(self, file: FILES, node: NODES) -> Errno:
        """The file's shared policy becomes MPOL_BIND to one node."""
        require(self.size[file] > 0 and self.mems[file] != node)
        self.mems[file] = node
        return OK
