/** How a payload is encoded: the upper three bits of its word on the wire. */
export const Kind = { BYTES: 0, MSGPACK: 1, JSON: 2, USER: 3, PICKLE: 4, STREAM: 5 } as const;
