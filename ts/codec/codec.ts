import { ChaskiError } from '../errors.ts';
import { asBytes, isLost, lostMemory } from './bytes.ts';
import { failed } from './failed.ts';
import { Kind } from './kinds.ts';
import { checkJson, maxDepth, maxValues } from './limits.ts';
import { readMsgpack, writeMsgpack } from './msgpack.ts';
import { PickleSerializer } from './pickle/index.ts';

/** A user's own encoding. Data only: never code. */
export interface UserCodec {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/** Turns values into payloads and back. One for each communicator; stateless. */
export interface Codec {
  /** Whether a Uint8Array goes and comes as it is. */
  readonly rawBytes: boolean;
  /** Kind of what `encode` returns for anything that does not go as it is. */
  readonly kind: number;
  /**
   * The payload of `value`. Valid until the next call: the caller copies it or hands it on at once.
   *
   * @throws ChaskiError `ERR_CHASKI_CODEC` or `ERR_CHASKI_INVALID_ARGUMENT`.
   */
  encode(value: unknown): Uint8Array;
  /**
   * The value of the payload at [offset, offset + length) of `memory`. Only a kind that this codec writes is read: otherwise the
   * sender would choose what looks at its messages.
   *
   * @throws ChaskiError `ERR_CHASKI_CODEC`.
   */
  decode(kind: number, memory: Uint8Array, offset: number, length: number): unknown;
}

/** The codec of the option `serializer`. */
export function codecOf(
  serializer:
    | 'auto'
    | 'bytes'
    | 'json'
    | 'msgpack'
    | 'pickle'
    | 'stream'
    | PickleSerializer
    | UserCodec,
): Codec {
  if (serializer instanceof PickleSerializer) return pickleCodec(serializer);
  if (typeof serializer === 'object') return new UserKindCodec(serializer);
  switch (serializer) {
    case 'auto':
      return {
        rawBytes: true,
        kind: Kind.MSGPACK,
        encode: writeMsgpack,
        decode: (kind, memory, offset, length) => {
          if (kind === Kind.MSGPACK) return readMsgpack(memory, offset, length);
          if (kind === Kind.BYTES) return view(memory, offset, length);
          throw otherKind(kind, "'auto'");
        },
      };
    case 'bytes':
      return only('bytes', Kind.BYTES, encodeBytes, view);
    case 'json':
      return only('json', Kind.JSON, encodeJson, decodeJson);
    case 'msgpack':
      return only('msgpack', Kind.MSGPACK, writeMsgpack, readMsgpack);
    case 'pickle':
      return pickleCodec(new PickleSerializer());
    case 'stream':
      // Of a chunk, its head included. The tool puts them together.
      return only('stream', Kind.STREAM, encodeBytes, view);
  }
}

function pickleCodec({ core }: PickleSerializer): Codec {
  return only(
    'pickle',
    Kind.PICKLE,
    (value) => core.write(value),
    (memory, offset, length) => core.read(memory, offset, length),
  );
}

function only(
  name: string,
  kind: number,
  encode: Codec['encode'],
  read: (memory: Uint8Array, offset: number, length: number) => unknown,
): Codec {
  return {
    rawBytes: kind === Kind.BYTES,
    kind,
    encode,
    decode: (sent, memory, offset, length) => {
      if (sent !== kind) throw otherKind(sent, `'${name}'`);
      return read(memory, offset, length);
    },
  };
}

class UserKindCodec implements Codec {
  readonly rawBytes: boolean = false;
  readonly kind: number = Kind.USER;
  readonly #user: UserCodec;

  constructor(user: UserCodec) {
    this.#user = user;
  }

  encode(value: unknown): Uint8Array {
    let bytes: unknown;
    try {
      bytes = this.#user.encode(value);
    } catch (cause) {
      throw failed('encode', "the serializer's encode() threw", cause);
    }
    const result = asBytes(bytes);
    if (result === undefined) {
      throw failed(
        'encode',
        `the serializer's encode() returned ${described(bytes)}, not a Uint8Array`,
      );
    }
    if (isLost(result)) throw lostMemory();
    return result;
  }

  decode(kind: number, memory: Uint8Array, offset: number, length: number): unknown {
    if (kind !== Kind.USER) throw otherKind(kind, 'one of its own');
    try {
      return this.#user.decode(view(memory, offset, length));
    } catch (cause) {
      throw failed('decode', "the serializer's decode() threw", cause);
    }
  }
}

function encodeBytes(value: unknown): Uint8Array {
  const bytes = asBytes(value);
  if (bytes === undefined) {
    throw new ChaskiError(
      'ERR_CHASKI_INVALID_ARGUMENT',
      `The message is ${described(value)}; with serializer 'bytes' it must be a Uint8Array or ArrayBuffer. ` +
        "Use serializer 'auto' to send any value.",
    );
  }
  if (isLost(bytes)) throw lostMemory();
  return bytes;
}

function encodeJson(value: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    throw failed('encode', 'the value cannot be written as JSON', cause);
  }
  if (text === undefined) {
    throw failed('encode', `JSON has no way to write a value of type ${typeof value}`);
  }
  const bytes = Buffer.from(text, 'utf8');
  if (mayBeRefused(text)) {
    const reason = checkJson(bytes, 0, bytes.length);
    if (reason !== undefined) throw failed('encode', `no receiver would take it: ${reason}`);
  }
  return bytes;
}

/** Whether a text can be nested too deep or hold too many values: a quick look that is always right when it says no. */
function mayBeRefused(text: string): boolean {
  if (text.length <= 2 * maxDepth) return false;
  if (text.length > maxValues) return true;
  let opened = 0;
  for (const bracket of '[{') {
    let at = text.indexOf(bracket);
    for (; at >= 0 && opened <= maxDepth; at = text.indexOf(bracket, at + 1)) opened += 1;
  }
  return opened > maxDepth;
}

function decodeJson(memory: Uint8Array, offset: number, length: number): unknown {
  const reason = checkJson(memory, offset, offset + length);
  if (reason !== undefined) throw failed('decode', `the JSON payload is not sound: ${reason}`);
  try {
    return JSON.parse(
      Buffer.from(memory.buffer, memory.byteOffset + offset, length).toString('utf8'),
    );
  } catch (cause) {
    throw failed('decode', 'the JSON payload is not sound', cause);
  }
}

function view(memory: Uint8Array, offset: number, length: number): Uint8Array {
  return new Uint8Array(memory.buffer, memory.byteOffset + offset, length);
}

function described(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object';
  return `a ${typeof value}`;
}

/** What tells of a message of a kind that the serializer `here` does not read. */
export function otherKind(kind: number, here: string): ChaskiError {
  return failed(
    'decode',
    `its sender wrote it as ${kindNames[kind] ?? `something new (kind ${kind})`}, and the serializer here is ${here}, which does ` +
      'not read that. Give both sides the same serializer; bytes holds the message as it came',
  );
}

const kindNames: readonly string[] = [
  "bytes (serializer 'auto' or 'bytes')",
  "MessagePack (serializer 'auto' or 'msgpack')",
  "JSON (serializer 'json')",
  'a serializer of its own does ({ encode, decode })',
  "a pickle of Python's (serializer 'pickle')",
  "chunks of a stream (serializer 'stream')",
];
