import { describe, expect, test } from 'vitest';

import { ChaskiError } from '../../../ts/errors.ts';
import { Stream } from '../../../ts/shared/stream.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (view: Uint8Array | undefined): string | undefined =>
  view === undefined ? undefined : new TextDecoder().decode(view);

function numbers(): { stream: Stream; chunks: [Uint8Array, Uint8Array, Uint8Array] } {
  const chunks: [Uint8Array, Uint8Array, Uint8Array] = [bytes('0123'), bytes('45'), bytes('6789')];
  return { stream: new Stream(chunks), chunks };
}

/** Whether `view` is `text`, at `offset` of the memory of `chunk`. */
function expectPart(
  view: Uint8Array | undefined,
  chunk: Uint8Array,
  offset: number,
  part: string,
): void {
  expect(text(view)).toBe(part);
  expect(view?.buffer).toBe(chunk.buffer);
  expect(view?.byteOffset).toBe(chunk.byteOffset + offset);
}

describe('whole chunks', () => {
  test('come back as the very objects that were written', () => {
    const { stream, chunks } = numbers();
    expect([...stream]).toEqual(chunks);
    expect(stream.peekChunk()).toBe(chunks[0]);
    expect(stream.at(1)).toBe(chunks[1]);
    expect(stream.at(-1)).toBe(chunks[2]);
    expect(stream.at(3)).toBeUndefined();
    expect(stream.at(-4)).toBeUndefined();
    expect(stream.peek(4)).toBe(chunks[0]);
    expect(stream.unwriteChunk()).toBe(chunks[2]);
    expect(stream.readChunk()).toBe(chunks[0]);
    expect(stream.read()).toBe(chunks[1]);
    expect(stream.unread(chunks[0])).toBe(4);
    expect(stream.toView()).toBe(chunks[0]);
  });

  test('of no bytes are dropped', () => {
    const stream = new Stream();
    expect(stream.write(bytes(''))).toBe(0);
    expect(stream.unread(bytes(''))).toBe(0);
    expect(stream.writeChunks([bytes(''), bytes('ab')])).toBe(2);
    expect(stream.length).toBe(1);
  });

  test('can be any memory, counted in bytes and not copied', () => {
    const words = new Uint32Array([1, 2]);
    const stream = new Stream();
    expect(stream.write(words)).toBe(8);
    expect(stream.write(new DataView(words.buffer, 4))).toBe(4);
    expect(stream.write(words.buffer)).toBe(8);
    expect([...stream].every((chunk) => chunk.buffer === words.buffer)).toBe(true);
    const buffer = Buffer.from('a Buffer stays one');
    expect(Stream.fromBuffer(buffer).read1(8)).toBeInstanceOf(Buffer);
  });

  test('are read until none is left, and the rest stays after a break', () => {
    const { stream, chunks } = numbers();
    for (const chunk of stream.readChunks()) {
      expect(chunk).toBe(chunks[0]);
      break;
    }
    expect(stream.length).toBe(2);
    expect([...stream.readChunks()]).toEqual(chunks.slice(1));
    expect(stream.empty()).toBe(true);
  });

  test('can be written to a stream from itself', () => {
    const { stream } = numbers();
    expect(stream.writeChunks(stream)).toBe(10);
    expect(text(stream.toView())).toBe('01234567890123456789');
  });
});

describe('bytes', () => {
  test('within one chunk are views of it', () => {
    const { stream, chunks } = numbers();
    expectPart(stream.peek(2), chunks[0], 0, '01');
    expectPart(stream.read(1), chunks[0], 0, '0');
    expectPart(stream.read1(2), chunks[0], 1, '12');
    expectPart(stream.read1(), chunks[0], 3, '3');
    expectPart(stream.unwrite(3), chunks[2], 1, '789');
    expect(stream.skip(1)).toBe(1);
    expectPart(stream.read1(5), chunks[1], 1, '5');
    expectPart(stream.read(), chunks[2], 0, '6');
  });

  test('of several chunks are copied into one', () => {
    const { stream } = numbers();
    expect(text(stream.peek(5))).toBe('01234');
    expect(text(stream.read(5))).toBe('01234');
    expect(text(stream.unwrite(4.0))).toBe('6789');
    expect(text(stream.unwrite())).toBe('5');
  });

  test('none of them are an empty view that changes nothing', () => {
    const { stream, chunks } = numbers();
    for (const none of [stream.read(0), stream.read1(0), stream.peek(0), stream.unwrite(0)]) {
      expect(none?.length).toBe(0);
    }
    expect(stream.readInto(new Uint8Array())).toBe(0);
    expect(stream.readInto1(new Uint8Array())).toBe(0);
    expect([...stream]).toEqual(chunks);
    expect(stream.peekChunk()).toBe(chunks[0]);
  });

  test('are copied out to memory at hand', () => {
    const { stream } = numbers();
    const out = new Uint8Array(5);
    expect(stream.readInto(out)).toBe(5);
    expect(text(out)).toBe('01234');
    expect(stream.readInto1(out)).toBe(1);
    expect(text(out)).toBe('51234');
    expect(stream.readInto(new DataView(out.buffer))).toBe(4);
    expect(text(out)).toBe('67894');
    expect(stream.readInto(out)).toBeUndefined();
  });

  test('are kept up to a length', () => {
    const { stream, chunks } = numbers();
    expect(stream.truncate(20)).toBe(10);
    expect(stream.truncate(5)).toBe(5);
    expectPart(stream.at(1), chunks[1], 0, '4');
    expect(stream.truncate()).toBe(0);
    expect(stream.length).toBe(0);
  });

  test('are merged into one chunk', () => {
    const { stream } = numbers();
    stream.merge();
    const [merged, more] = [...stream];
    expect(text(merged)).toBe('0123456789');
    expect(more).toBeUndefined();
    stream.merge();
    expect(stream.peekChunk()).toBe(merged);
  });
});

describe('lines', () => {
  test('include their newline; the last one is what is left', () => {
    const stream = new Stream([bytes('one\ntw'), bytes('o\n\nthr'), bytes('ee')]);
    expect(text(stream.readLine())).toBe('one\n');
    expect(stream.indexOf(0x0a)).toBe(3);
    expect(text(stream.readLine(2))).toBe('tw');
    expect(stream.readLines().map(text)).toEqual(['o\n', '\n', 'three']);
    expect(stream.readLine()).toBeUndefined();
  });

  test('within one chunk are views of it', () => {
    const chunk = bytes('one\ntwo\n');
    const [first, second] = [...Stream.fromBuffer(chunk).lines()];
    expectPart(first, chunk, 0, 'one\n');
    expect([text(second), second?.byteOffset]).toEqual(['two\n', 4]);
  });
});

describe('an empty stream', () => {
  test('returns undefined where it would have to wait, and never throws', () => {
    const stream = new Stream();
    const out = new Uint8Array(1);
    const results = [
      stream.readChunk(),
      stream.unwriteChunk(),
      stream.peekChunk(),
      stream.read(),
      stream.read(0),
      stream.read1(1),
      stream.peek(),
      stream.unwrite(1),
      stream.readLine(),
      stream.readInto(out),
      stream.readInto1(out),
    ];
    expect(results.every((result) => result === undefined)).toBe(true);
    expect(stream.toView().length).toBe(0);
    expect(stream.toBytes().length).toBe(0);
    expect([stream.skip(3), stream.truncate(3), stream.byteLength, stream.length]).toEqual([
      0, 0, 0, 0,
    ]);
    stream.merge();
    expect([...stream.deepCopy(), ...stream.readLines()]).toEqual([]);
  });
});

describe('the whole stream', () => {
  test('is copied with its memory shared, or in memory of its own', () => {
    const { stream, chunks } = numbers();
    const copy = stream.copy();
    const deep = stream.deepCopy();
    chunks[0][0] = 0x61;
    expect(text(copy.read(2))).toBe('a1');
    expect(text(deep.toView())).toBe('0123456789');
    expect(stream.byteLength).toBe(10);
  });

  test('becomes bytes that nobody else has', () => {
    const chunk = bytes('abc');
    const stream = Stream.fromBuffer(chunk);
    expect(stream.toBytes()).not.toBe(chunk);
    expect(stream.empty()).toBe(true);
  });

  test('can be used again after it was closed or disposed of', async () => {
    const { stream } = numbers();
    stream.close();
    expect([stream.empty(), stream.closed]).toEqual([true, false]);
    stream.write(bytes('a'));
    stream[Symbol.dispose]();
    stream.write(bytes('b'));
    await stream[Symbol.asyncDispose]();
    expect(stream.byteLength).toBe(0);
  });

  test('throws where it meets memory that was transferred, and goes on without it', () => {
    const memory = new ArrayBuffer(4);
    const chunk = new Uint8Array(memory);
    const stream = new Stream([bytes('ab'), chunk, bytes('cd')]);
    structuredClone(memory, { transfer: [memory] });
    const refused = expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' });
    expect(() => stream.read()).toThrow(refused);
    expect(() => stream.copy()).toThrow(refused);
    expect(() => stream.merge()).toThrow(refused);
    expect(() => stream.indexOf(0)).toThrow(refused);
    expect(() => stream.write(chunk)).toThrow(refused);
    expect(() => stream.unread(chunk)).toThrow(refused);
    expect(stream.byteLength).toBe(8);
    expect(text(stream.read1())).toBe('ab');
    expect(() => stream.readInto1(bytes('x'))).toThrow(refused);
    expect(() => stream.skip()).toThrow(refused);
    expect(stream.readChunk()).toBe(chunk);
    expect(stream.byteLength).toBe(2);
    expect(text(stream.read())).toBe('cd');
    expect([stream.byteLength, stream.empty()]).toEqual([0, true]);
  });
});

describe('arguments', () => {
  test.each([Number.NaN, 1.5, '3'])('n = %s is refused', (n) => {
    const { stream } = numbers();
    for (const method of [
      'read',
      'read1',
      'peek',
      'skip',
      'truncate',
      'unwrite',
      'readLine',
    ] as const) {
      expect(() => stream[method](n as number)).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_INVALID_ARGUMENT' }),
      );
    }
    expect(stream.byteLength).toBe(10);
  });

  test.each(['text', null, 3, [1, 2]])('%j is not bytes', (data) => {
    const stream = new Stream([bytes('a')]);
    const wrong = data as unknown as Uint8Array;
    for (const method of ['write', 'unread', 'readInto', 'readInto1'] as const) {
      expect(() => stream[method](wrong)).toThrow(ChaskiError);
    }
    expect(stream.length).toBe(1);
  });
});

describe('the names of the Python class', () => {
  test.each([
    ['readChunk', ['readchunk', 'readview']],
    ['unread', ['unreadChunk', 'unreadchunk', 'unreadview']],
    ['write', ['writeChunk', 'writechunk', 'writeview']],
    ['unwriteChunk', ['unwritechunk', 'unwriteview']],
    ['peekChunk', ['peekchunk']],
    ['readChunks', ['readchunks', 'readviews']],
    ['writeChunks', ['writechunks', 'writeviews', 'writelines', 'update']],
    ['readInto', ['readinto']],
    ['readInto1', ['readinto1']],
    ['readLine', ['readline']],
    ['readLines', ['readlines']],
    ['toView', ['toview']],
    ['skip', ['seek']],
    ['clear', ['close']],
    ['deepCopy', ['deepcopy']],
  ] as const)('%s is also %j', (name, spellings) => {
    for (const spelling of spellings) {
      expect(Stream.prototype[spelling]).toBe(Stream.prototype[name]);
    }
  });

  test('count, look and make as the others do', () => {
    const stream = Stream.frombuffer(bytes('ab'));
    stream.write(bytes('c'));
    expect([stream.nchunks, stream.nbytes]).toEqual([2, 3]);
    expect([...stream.views]).toEqual([...stream]);
    expect(Stream.frombytes(bytes('ab')).nbytes).toBe(2);
  });

  test('answer what every file is asked', () => {
    const stream = new Stream();
    expect([stream.tell(), stream.isatty(), stream.seekable()]).toEqual([0, false, true]);
    expect([stream.readable(), stream.writable(), stream.flush()]).toEqual([true, true, undefined]);
    for (const method of ['fileno', 'detach'] as const) {
      expect(() => stream[method]()).toThrow(
        expect.objectContaining({ code: 'ERR_CHASKI_UNSUPPORTED' }),
      );
    }
  });
});
