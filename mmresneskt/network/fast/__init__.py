"""The block's attentions with hand-written backward passes, and in Triton."""
