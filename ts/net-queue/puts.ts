import type { Peer } from './peer.ts';
import type { Packed } from '../shared/packed.ts';
import type { PutResult } from './types.ts';

/** What messages are put with: by the sender itself, or in chunks. `unknown` are ids that name no peer. */
export interface Puts {
  put(peer: Peer, data: unknown): PutResult;
  putEach(peers: readonly Peer[], unknown: readonly string[], data: unknown): PutResult;
  giveEach(peers: readonly Peer[], unknown: readonly string[], data: unknown): PutResult;
  tryPut(peers: readonly Peer[], data: unknown): boolean;
  tryGive(peers: readonly Peer[], data: unknown): boolean;
  putPacked(peers: readonly Peer[], packed: Packed): PutResult;
  putAll(peers: readonly Peer[], items: Iterable<unknown>): PutResult;
}
