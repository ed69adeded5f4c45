// Values to payloads and back. A payload's kind travels in its word, so a receiver decodes what it is told, not what it
// guesses. Everything that comes from a peer is checked before it is decoded (`limits`), and only data can come out of
// it: no code, no classes, no extension types. The only folder that imports msgpackr.
export { asBytes, isLost, lengthOf, lostMemory, plain, unshared } from './bytes.ts';
export { codecOf } from './codec.ts';
export type { Codec, UserCodec } from './codec.ts';
export { Kind } from './kinds.ts';
