// The frame of the small files of a log (docs/design/log.md, 2.2), to make files that are wrong in a way that no checksum tells.

/** Where the body begins, and the checksum of the rest. */
const [bodyAt, crcAt] = [16, 12];

/** The same file with its body changed. */
export function reframed(file: Uint8Array, change: (body: Buffer) => void): Buffer {
  const frame = Buffer.from(file);
  change(frame.subarray(bodyAt));
  const covered = Buffer.concat([frame.subarray(0, crcAt), frame.subarray(bodyAt)]);
  frame.writeUInt32BE(crc32c(covered), crcAt);
  return frame;
}

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f6_3b78);
  }
  return ~crc >>> 0;
}
