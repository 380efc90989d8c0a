"""Real kernels: a guest under QEMU or the running one, asked through one agent."""
