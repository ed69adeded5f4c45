// @ts-check
// What a peer is, and what the runner, the endpoints and the peers tell each other.

/**
 * What is measured of a log; see log-run.mjs.
 * @typedef {'log-append' | 'log-single' | 'log-read' | 'log-open' | 'log-idle'} LogMode
 */

/**
 * What is measured. `callback`: one `put` and one callback with a view a message. `iterate`: the same, one `for await` step a message.
 * `batch`: many messages a call, no views on either side. `acked-each` and `acked-all`: a promise for each message, awaited in windows,
 * one by one or with Promise.all. `echo`: closed-loop round trips. `paced`: open loop at a fixed rate.
 * `flood-put` and `flood-try`: the consumer pauses while messages are offered without waiting. `idle`: nothing.
 * @typedef {'callback' | 'iterate' | 'batch' | 'acked-each' | 'acked-all' | 'echo' | 'paced' | 'flood-put' | 'flood-try'
 *   | 'idle' | LogMode} Mode
 */

/**
 * One half of one run, as a child process gets it.
 * @typedef {object} Spec
 * @property {string} peer file name in peers/, without .mjs
 * @property {'receive' | 'send' | 'log' | 'fill'} role
 * @property {Mode} mode
 * @property {number} size payload bytes of a message
 * @property {number} warmup seconds before the clock starts
 * @property {number} seconds length of the timed window
 * @property {number} rate messages a second, for `paced`
 * @property {boolean} ordered whether messages go round in different payloads, so that their order is checked
 * @property {import('./log-run.mjs').LogLoad} [log] what a log is asked to do
 * @property {string} [folder] where a log keeps its files
 * @property {any} [address] where the listening half is
 * @property {Record<string, any>} services addresses of the services that the peer needs, by name
 */

/**
 * Many messages in one piece of memory.
 * @typedef {{ data: Uint8Array, lengths: Uint32Array, first: number }} Packed
 */

/**
 * The sending half of a peer. Only what its modes need is there.
 * @typedef {object} Sender
 * @property {(message: Uint8Array) => boolean} [put] takes one message; false: wait for `room()` before the next one
 * @property {(packed: Packed) => boolean} [putBatch] takes a batch, true and false as in `put`
 * @property {(message: Uint8Array) => PromiseLike<unknown>} [putAcked] takes one message; settles when the other side has it
 * @property {(message: Uint8Array) => void} [offer] un-awaited put, for `flood-put`
 * @property {(message: Uint8Array) => boolean} [tryOffer] true if taken, for `flood-try`
 * @property {() => Promise<unknown>} [room] settles when there is room again
 * @property {() => void} [flush] what was put goes out now, though no full piece is there
 * @property {() => Promise<unknown>} finish sends what is left and closes in order
 */

/**
 * The receiving half of a peer.
 * @typedef {object} Receiver
 * @property {() => void} [pause] stops consuming
 * @property {() => void} [resume] goes on consuming
 * @property {() => unknown} close
 */

/**
 * What a receiver calls for each message, with a view that stays valid. In `echo` it sends the message back as well; in `batch` it
 * calls `run.check.takeAt` instead.
 * @typedef {(view: Uint8Array) => void} Deliver
 */

/** @typedef {{ env?: Record<string, string>, listens?: 'receive' | 'send', modes?: Mode[], services?: string[], fits?: Peer['fits'],
 *   missing?: Peer['missing'] }} Variant what differs from the peer */

/**
 * One file in peers/. The half that listens calls `run.listening(address)`; the other half finds it in `run.address`.
 * @typedef {object} Peer
 * @property {string} title one line, for the table
 * @property {Mode[]} modes
 * @property {'receive' | 'send'} [listens] which half listens; default `receive`
 * @property {'processes' | 'threads' | 'alone'} [topology] default `processes`; `alone`: one process, a log
 * @property {string[]} [services] names in services/
 * @property {boolean} [unordered] does not keep the order of messages
 * @property {Record<string, Variant>} [variants] contenders that this file stands for; default: one, named as the file
 * @property {(size: number) => boolean} [fits] sizes that it can carry
 * @property {() => Promise<string | undefined>} [missing] why it cannot run here
 * @property {() => string} [version]
 * @property {(run: import('./run.mjs').ReceiveRun) => Promise<Receiver>} [receive]
 * @property {(run: import('./run.mjs').SendRun) => Promise<Sender>} [send]
 * @property {(spec: Spec) => Promise<import('./log-run.mjs').Log>} [log] opens or creates a log
 * @property {(spec: Spec, env: Record<string, string>) => { file: string, args: string[] } | undefined} [command] a program of its own that speaks the endpoint protocol; undefined: this half has none
 */

/** What TLS is measured with: batches of small messages, and large ones. @param {number} size */
export function isTlsSize(size) {
  return size === 64 || size === 1_048_576;
}

/** @param {Peer} peer which half has to be started first */
export function listeningHalf(peer) {
  return peer.listens ?? 'receive';
}
