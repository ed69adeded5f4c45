// Acknowledged message queues between processes: a server with many peers, or a client with its server, over TCP or UNIX
// sockets. `open()` gives a Communicator; `put()` sends, `for await`, `get()`, `subscribe()` and `batches()` receive. How a
// message travels, and why it costs so little, is told in docs/design/core.md.
//
// `communicator` is what users hold. Behind it: `life` (from opening to closed) and `native-events` (what native tells); on
// the way out `sender` (with `payloads`, `backlog`, `handover` and its `send-slab`, `ack-watch`, `put-result`, `waiters`) and
// `patience` (sends that wait); on the way in `inbox` (with `arena`, `batch`, `message`, `parked`, `redelivery`, `release`, `wants`) and `consumers`
// (`iterator`, `subscription`). With serializer 'stream', `stream-sender` (with `outflow`, one for each stream) puts chunks by means of the
// sender, and `stream-router` (with `inflow` and `incoming-stream`) puts them together between the inbox and its consumers.
export { FrozenSet, NdArray, pickle, PickleSerializer, Tuple, Uuid } from '../codec/index.ts';
export type {
  Dtype,
  NumericArray,
  PickledObject,
  PickleDecoder,
  PickleEncoder,
  PickleOptions,
} from '../codec/index.ts';
export { ChaskiError } from '../errors.ts';
export type { ChaskiErrorOptions, Delivered, ErrorCode } from '../errors.ts';
export type { Packed } from '../shared/packed.ts';
export type { MergeSizes } from '../shared/stream-merge.ts';
export type { WritableOptions as StreamWritableOptions } from '../shared/stream-node.ts';
export type { BytesLike } from '../shared/stream-rope.ts';
export { Stream } from '../shared/stream.ts';
export type { Communicator } from './communicator.ts';
export { ResourceClosed } from './failures.ts';
export type { IncomingStream } from './incoming-stream.ts';
export { create, create as new, open } from './open.ts';
export type { OpenOptions } from './options.ts';
export { fromParcel } from './parcel.ts';
export { release } from './release.ts';
export { Protocol, Purpose } from './types.ts';
export type {
  AckPoint,
  Address,
  Batch,
  BatchesOptions,
  CloseOptions,
  CommunicatorEvents,
  CommunicatorOptions,
  Compat,
  FromParcelOptions,
  GetBatchOptions,
  GetOptions,
  Group,
  GroupPutOptions,
  GroupSendOptions,
  HighWaterMark,
  Message,
  MessageHandler,
  NackOptions,
  OnFull,
  Parcel,
  ParcelContent,
  ParceledBatch,
  Pem,
  PeerOptions,
  PutOptions,
  PutResult,
  Puttable,
  SecurityOptions,
  SeedSerializer,
  SendOptions,
  Serializer,
  Stats,
  StreamSource,
  SubscribeOptions,
  Subscription,
  WaitOptions,
  WritableOptions,
} from './types.ts';
