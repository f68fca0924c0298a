"""Machine code: a graph written as LLVM IR, compiled, and called."""
