"""Block-wise distillation: a CNN is cut into blocks, and each block is imitated by a shallower one."""
