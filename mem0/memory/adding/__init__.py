"""What ``add`` does: messages are read, an LLM is asked, its answer becomes a plan, the plan becomes a commit."""
