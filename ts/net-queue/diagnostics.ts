// Channels of node:diagnostics_channel. They cost a property read while nobody listens.
import { channel } from 'node:diagnostics_channel';

const opened = channel('chaski:net-queue:open');
const ended = channel('chaski:net-queue:close');
const lost = channel('chaski:net-queue:lost');

/** A communicator listens, or has reached its server: `{ id, purpose, address }`. */
export function tellOpen(message: object): void {
  if (opened.hasSubscribers) opened.publish(message);
}

/** A communicator is closed: `{ id, purpose }`. */
export function tellClose(message: object): void {
  if (ended.hasSubscribers) ended.publish(message);
}

/** A peer is gone: `{ id, purpose, peer, error }`; no error when it left in order. */
export function tellLost(message: object): void {
  if (lost.hasSubscribers) lost.publish(message);
}
