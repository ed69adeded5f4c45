// @ts-check
// What the figures were measured on. Names neither the machine nor its owner.
import { readFileSync } from 'node:fs';
import os from 'node:os';

export function machineFacts() {
  const [cpu] = os.cpus();
  return {
    cpu: cpu?.model.trim(),
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 1024 ** 3),
    system: `${os.type()} ${os.release()}`.split('-', 1)[0],
    arch: os.arch(),
    virtual: isVirtual(),
    node: process.version,
    loadAverage: os.loadavg().map((load) => Math.round(load * 100) / 100),
  };
}

function isVirtual() {
  try {
    return / hypervisor/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return undefined;
  }
}
