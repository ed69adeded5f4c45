// Values that both sides know, with the serializer that the Python package uses unless it is told otherwise.
import { describe, expect, it } from 'vitest';

import { soon, take } from '../integration/net-queue/support/waiting.ts';
import { interpreter, versions } from './support/python.ts';
import { clientOf, python, server } from './support/worlds.ts';

const values = ['Hello, World!', 42, -1.5, true, null, [1, 'two', [3]], { a: 1, b: { c: [] } }];

describe.skipIf(interpreter === undefined).each(versions)(
  "net-queue %s of Python and serializer 'pickle'",
  (version) => {
    it('exchanges values with a server of chaski', async () => {
      const [queue, port] = await server({ serializer: 'pickle' });
      const peer = await python(version, 'client', { port, serializer: 'pickle' });
      await peer.put(values.map((value) => ({ value })));
      const got = await take(queue, values.length);
      expect(got.map(({ data }) => data)).toEqual(values);
      await soon(queue.putMany(values), 'the socket has taken them');
      const expected = values.map((value) => ({ peer: queue.id, value }));
      expect(await peer.get(values.length)).toEqual(expected);
      await peer.close();
      await soon(queue.close(), 'the end');
    });

    it('exchanges values with a client of chaski', async () => {
      const peer = await python(version, 'server', { serializer: 'pickle' });
      const queue = await clientOf(peer, { serializer: 'pickle' });
      await soon(queue.putMany(values), 'the socket has taken them');
      const expected = values.map((value) => ({ peer: queue.id, value }));
      expect(await peer.get(values.length)).toEqual(expected);
      await peer.put(values.map((value) => ({ value })));
      const got = await take(queue, values.length);
      expect(got.map(({ data }) => data)).toEqual(values);
      await soon(queue.close(), 'the end');
      await peer.close();
    });
  },
);
