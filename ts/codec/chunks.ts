// A chunk of a stream, as the payload of a message: u32 number of the stream (little-endian) | u8 flags | 3 zero bytes | bytes.
// Numbers begin at 1 and grow with each stream that a process begins towards a peer.

/** Bytes before those of the chunk. */
export const chunkHead: number = 8;
/** The most bytes of a stream in one chunk: with its head, 1 MiB. */
export const longestChunk: number = (1 << 20) - chunkHead;
/** The largest number of a stream. */
export const lastStream: number = 0xffff_ffff;

/** What a chunk is of its stream, besides a part of it. */
export const ChunkFlag = { FIRST: 1, LAST: 2, ABORTED: 4 } as const;

export interface ChunkHead {
  readonly stream: number;
  readonly first: boolean;
  readonly last: boolean;
  readonly aborted: boolean;
}

/** Writes a head to the beginning of `out`. */
export function writeChunkHead(out: Uint8Array, stream: number, flags: number): void {
  out[0] = stream;
  out[1] = stream >>> 8;
  out[2] = stream >>> 16;
  out[3] = stream >>> 24;
  out[4] = flags;
  out.fill(0, 5, chunkHead);
}

/** The head of the payload at [offset, offset + length) of `memory`; or why it is none, in words. */
export function readChunkHead(
  memory: Uint8Array,
  offset: number,
  length: number,
): ChunkHead | string {
  if (length < chunkHead) return `a chunk of ${length} bytes, which is shorter than its head`;
  if (length > chunkHead + longestChunk) return `a chunk of ${length} bytes, which is too long`;
  const byte = (i: number): number => memory[offset + i] as number;
  const stream = (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
  const flags = byte(4);
  if (flags > 7 || (byte(5) | byte(6) | byte(7)) !== 0) return 'a chunk with reserved bits';
  if (stream === 0) return 'a chunk of stream 0';
  const first = (flags & ChunkFlag.FIRST) !== 0;
  const last = (flags & ChunkFlag.LAST) !== 0;
  const aborted = (flags & ChunkFlag.ABORTED) !== 0;
  const empty = length === chunkHead;
  if (aborted && (flags !== ChunkFlag.ABORTED || !empty))
    return 'an aborting chunk with more in it';
  // What brings a stream no further could come for ever.
  if (empty && flags === 0) return 'an empty chunk in the middle of a stream';
  return { stream, first, last, aborted };
}
