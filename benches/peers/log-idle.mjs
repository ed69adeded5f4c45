// @ts-check
// A process that does nothing: what the instruments themselves show.

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'nothing',
  topology: 'alone',
  modes: ['log-idle'],
  log: () => Promise.resolve({ close: () => {} }),
};
