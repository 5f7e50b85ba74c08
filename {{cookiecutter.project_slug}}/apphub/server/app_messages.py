"""What a script's process writes to its pipe, and the supervisor reads."""

READY = b"R"  # once, when the socket is served
ALIVE = b"."  # each second
IDLE = b"I"  # before it exits because it has no visitors
