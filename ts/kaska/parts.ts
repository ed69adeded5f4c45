import type { Life } from '../shared/life.ts';
import type { Appends } from './appends.ts';
import type { Load } from './load.ts';
import type { NativeLog } from './native-log.ts';
import type { Outbox } from './outbox.ts';
import type { Readers } from './readers.ts';
import type { Requests } from './requests.ts';
import type { Settling } from './settling.ts';
import type { Turns } from './turns.ts';

/** What the topics of a directory share. */
export interface LogParts {
  readonly log: NativeLog;
  readonly life: Life;
  readonly load: Load;
  readonly outbox: Outbox;
  readonly settling: Settling;
  readonly requests: Requests;
  readonly readers: Readers;
  readonly turns: Turns;
  /** `appends` has gathered something, which is to be handed over at the end of this turn. */
  gathered(appends: Appends): void;
  /** Hands over what was gathered, of all topics, before the turn ends. */
  handOver(): void;
}
