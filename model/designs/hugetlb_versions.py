"""hugetlb of other kernels than 6.12, as far as the model can tell them apart."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from model.designs.hugetlb import Hugetlb


class Hugetlb61(Hugetlb):
    """hugetlb reservations of Linux 6.1 (6.1.192)."""

    def adjust_reservation(self, vma):
        """A page that the owner unmaps does not bring its promise back
        (until 6.9: df7a6d1f6405)."""
        return False

    def node_count(self, node, count):
        """The surplus pages of the nodes are not left out of the sum (until
        6.8: fd875dca7c71 counted nr_huge_pages)."""
        return count + self.h.nr_huge_pages() - self.h.nr_huge_pages_node[node]
