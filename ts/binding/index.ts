// The addon as TypeScript sees it, and the only folder that touches ts/native. It says what the native functions take and
// return (`native-types`), loads them on first use with an error that helps (`load`), and chooses what drives the
// sockets (`host`). It holds no state of a communicator and decides nothing about messages.
export { chooseHost } from './host.ts';
export type { Host } from './host.ts';
export {
  appended,
  ends,
  kaskaBits,
  nullLength,
  polled,
  pollInfo,
  readInfo,
  readState,
  settledRow,
  stored,
} from './kaska-types.ts';
export type {
  KaskaHandle,
  NativeKaska,
  NativeKaskaEvent,
  NativeNote,
  NativeTopic,
  NativeTopicOptions,
} from './kaska-types.ts';
export { loadNative } from './load.ts';
export { drained, kindShift, lengthMask, status, wakeBits } from './native-types.ts';
export type {
  NativeBinding,
  NativeEvent,
  NativeQueueConfig,
  NativeSecurity,
  NativeQueueStats,
  QueueHandle,
} from './native-types.ts';
