// @ts-check
// Two processes that do nothing: what the instruments themselves show, above all the event-loop delay.

/** @type {import('../lib/peer.mjs').Peer} */
export default {
  title: 'nothing',
  modes: ['idle'],
  receive: async (run) => {
    run.listening(0);
    return { close: () => {} };
  },
  send: async () => ({ finish: () => Promise.resolve() }),
};
