// `npm run format`: writes what the format checks of `npm test` ask for.
import { ensurePackages } from './ensure.mjs';
import { fail, run, tool } from './lib/run.mjs';

try {
  await ensurePackages('.');
  const rust = await run('cargo', ['fmt', '--all']);
  const rest = await run(process.execPath, [tool('oxfmt')]);
  process.exitCode = rust.code || rest.code;
} catch (error) {
  fail(error);
}
