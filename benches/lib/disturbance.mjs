// @ts-check
// How much CPU others used while a run went on (Linux): all that was used, less what the benchmark's own processes used.
import { readFileSync, readdirSync } from 'node:fs';

const TICK_SECONDS = 0.01;

/** What others used since `from`, as a share of one core. */
export class Disturbance {
  #at = performance.now();
  #total = busy();
  #own = ownTicks();

  /** @returns {number | undefined} */
  share() {
    const seconds = (performance.now() - this.#at) / 1e3;
    const others = busy() - this.#total - (ownTicks() - this.#own);
    return Number.isFinite(others) ? Math.max(0, (others * TICK_SECONDS) / seconds) : undefined;
  }
}

/** User, nice, system and stolen ticks of all cores. */
function busy() {
  try {
    const [user, nice, system, , , , , steal] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return user + nice + system + steal;
  } catch {
    return Number.NaN;
  }
}

/** Ticks of this process and of its descendants, dead ones included. */
function ownTicks() {
  try {
    const processes = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(ticksOf)
      .filter((found) => found !== undefined);
    const family = new Set([process.pid]);
    for (let size = 0; size !== family.size;) {
      size = family.size;
      for (const { id, parent } of processes) if (family.has(parent)) family.add(id);
    }
    const living = processes
      .filter(({ id }) => family.has(id))
      .reduce((sum, { ticks }) => sum + ticks, 0);
    return living + (processes.find(({ id }) => id === process.pid)?.deadTicks ?? 0);
  } catch {
    return Number.NaN;
  }
}

/** @param {string} id */
function ticksOf(id) {
  try {
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [user, system, deadUser, deadSystem] = fields.slice(11, 15).map(Number);
    return {
      id: Number(id),
      parent: Number(fields[1]),
      ticks: user + system,
      deadTicks: deadUser + deadSystem,
    };
  } catch {
    return undefined; // it has just ended
  }
}
