// @ts-check
// Plain writes, syncs and reads from Rust, without a log: the limit. Built on demand.
import { missing, program } from './raw.mjs';

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'plain writes and syncs of files from Rust',
  topology: 'alone',
  modes: ['log-append', 'log-single', 'log-read'],
  missing,
  command: ({ mode, size, warmup, seconds, folder, log }) => ({
    file: program('log'),
    args: [
      mode,
      size,
      log?.batch,
      log?.group,
      log?.durable,
      log?.bytes ?? 0,
      warmup,
      seconds,
      folder,
    ].map(String),
  }),
};
