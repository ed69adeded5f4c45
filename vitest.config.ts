import { defineConfig } from 'vitest/config';

/**
 * What all projects share: real processes and sockets, so files run in processes of their own. Limits of time are for what
 * hangs: they decide nothing on a machine that is slow or busy.
 */
const shared = {
  pool: 'forks' as const,
  execArgv: ['--expose-gc'],
  hookTimeout: 150_000,
  expect: { poll: { timeout: 60_000 } },
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: 'main',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{faults,runtimes,types}/**', '**/fixtures/**', '**/node_modules/**'],
          testTimeout: 150_000,
        },
      },
      {
        // The packed package on runtimes that `npm test` installs beforehand.
        test: {
          ...shared,
          name: 'runtimes',
          include: ['test/runtimes/*.test.ts'],
          testTimeout: 150_000,
        },
      },
      {
        // `npm run test:faults`: long runs with killed, slow and hostile peers.
        test: {
          ...shared,
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 300_000,
        },
      },
    ],
  },
});
