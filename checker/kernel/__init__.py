"""A real kernel, under QEMU or the running one, driven through one agent."""
