// Kafka's own tools, from Maven: what they say of the files that chaski writes.
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with the list of what is taken from Maven. */
const pom = fileURLToPath(new URL('../kafka/pom.xml', import.meta.url));

/** Undefined where Java 17 or later and Maven are, and why not elsewhere. In CI they must be. */
export const missing: string | undefined = whatIsMissing();

if (missing !== undefined && process.env['CI'] !== undefined) {
  throw new Error(`The tests with Kafka's own tools cannot run: ${missing}`);
}

function whatIsMissing(): string | undefined {
  // A line such as: openjdk version "17.0.15" 2025-04-15
  const told = spawnSync('java', ['-version'], { encoding: 'utf8', timeout: 30_000 }).stderr ?? '';
  const version = Number(/version "(\d+)/.exec(told)?.[1] ?? 0);
  if (version < 17) return 'java 17 or later was not found in PATH';
  const maven = spawnSync('mvn', ['-version'], { timeout: 60_000, env: small() });
  return maven.status === 0 ? undefined : 'mvn (Maven) was not found in PATH';
}

/** As little memory as they need. */
function small(): NodeJS.ProcessEnv {
  return { ...process.env, MAVEN_OPTS: '-Xmx256m' };
}

/** A folder with the jars; filled when it is first needed, and kept. */
export function jars(): string {
  const stamp = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12);
  const cache = fileURLToPath(new URL('../../../node_modules/.cache/kafka', import.meta.url));
  const folder = join(cache, stamp);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const made = mkdtempSync(join(cache, 'making-'));
  const copy = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${made}`];
  const ran = spawnSync('mvn', copy, { encoding: 'utf8', timeout: 140_000, env: small() });
  if (ran.status !== 0) {
    rmSync(made, { recursive: true, force: true });
    throw new Error(`Maven could not fetch Kafka's tools.\n${ran.stdout}${ran.stderr}`);
  }
  renameSync(made, folder);
  return folder;
}

/** What DumpLogSegments prints of these files. */
export async function dump(
  files: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const args = ['-Xmx256m', '-XX:+UseSerialGC', '-cp', join(jars(), '*')];
  args.push('org.apache.kafka.tools.DumpLogSegments', '--deep-iteration');
  // Larger than each batch, or it does not look at an index.
  args.push('--max-message-size', String(8 << 20), '--files', files.join(','));
  return await new Promise((resolve) => {
    const options = { maxBuffer: 1 << 26, timeout: 120_000 };
    const child = execFile('java', args, options, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
