// Values to payloads and back. A payload's kind travels in its word, so a receiver does not guess; it reads only the kinds that its
// own serializer writes. Everything that comes from a peer is checked before it is decoded (`limits`), and only data can come
// out of it: no code, no classes, no extension types. What a receiver would refuse, or get as something else, is refused when
// it is written (`msgpack`). The only folder that imports msgpackr, which reads.
export { asBytes, isLost, lengthOf, lostMemory, plain, unshared } from './bytes.ts';
export {
  ChunkFlag,
  chunkHead,
  lastStream,
  longestChunk,
  readChunkHead,
  writeChunkHead,
} from './chunks.ts';
export type { ChunkHead } from './chunks.ts';
export { codecOf, otherKind } from './codec.ts';
export type { Codec, UserCodec } from './codec.ts';
export { Kind } from './kinds.ts';
export { FrozenSet, NdArray, pickle, PickleSerializer, Tuple, Uuid } from './pickle/index.ts';
export type {
  Dtype,
  NumericArray,
  PickledObject,
  PickleDecoder,
  PickleEncoder,
  PickleOptions,
} from './pickle/index.ts';
