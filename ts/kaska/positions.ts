import { showAs } from '../shared/shown.ts';
import { invalid } from './failures.ts';
import { checkPlain, offsetOf, onePartition } from './options.ts';
import type { LogParts } from './parts.ts';
import type { Topic } from './topic.ts';
import type { CommitOptions, Positions } from './types.ts';

export class ClientPositions implements Positions {
  readonly #parts: LogParts;
  readonly #client: string;
  readonly #topic: (name: string) => Topic;

  static {
    showAs(this, 'Positions', (positions) => ({ client: positions.#client }));
  }

  constructor(parts: LogParts, client: string, topic: (name: string) => Topic) {
    this.#parts = parts;
    this.#client = client;
    this.#topic = topic;
  }

  async commit(name: string, offset: number, options?: CommitOptions): Promise<void> {
    if (options !== undefined) checkPlain('options', options, ['partition', 'metadata']);
    const { number, partitions } = this.#topic(name);
    const partition = onePartition(options?.partition, partitions);
    const metadata = options?.metadata ?? '';
    if (typeof metadata !== 'string') throw invalid('metadata', metadata, 'text');
    offsetOf('offset', offset);
    const { log, settling } = this.#parts;
    const ticket = log.checked(
      log.native.kaskaCommit(log.handle, this.#client, number, partition, offset, metadata),
    );
    if (ticket === 0) {
      await this.#parts.turns.pause();
      return;
    }
    await settling.done(ticket);
  }

  committed(name: string, partition?: number): number | undefined {
    const { number, partitions } = this.#topic(name);
    const at = onePartition(partition, partitions);
    const { log } = this.#parts;
    const offset = log.native.kaskaCommitted(log.handle, this.#client, number, at);
    if (offset >= 0) return offset;
    if (log.codeName(offset) === 'ERR_CHASKI_NOT_FOUND') return undefined;
    throw log.failure(offset);
  }

  metadata(name: string, partition?: number): string | undefined {
    const { number, partitions } = this.#topic(name);
    const at = onePartition(partition, partitions);
    const { log } = this.#parts;
    return log.native.kaskaMetadata(log.handle, this.#client, number, at) ?? undefined;
  }
}
