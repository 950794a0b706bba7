"""gRPC over HTTP/2: an asyncio loop that reads frames, runs quick calls itself and gives slow ones to threads.

Ours because of what a call costs beside the model. Without one it answers 5,800 requests of 150 kB a second on two
cores, and grpcio's server 2,000 (8 callers, `ci/bench/serving.py`); one on the library h2, tried by hand, was slower
than grpcio's. Frames, streams and limits are ours; header compression is hpack's, TLS is Python's.

    server    listens, starts, drains
    connection  one client: bytes, settings, pings, patience
    streams   its calls: how they begin, what they send, how they are answered and end
    reader    from bytes to frames
    inbox     from DATA frames to messages
    outbox    from replies to DATA frames, as fast as the client takes them
    headers   the fields of requests, replies and refusals
    call      what a handler knows of its call
    turns     which call runs now, and which one is too many
    pace      where: in the loop, in a fiber of it, or in a thread
"""
