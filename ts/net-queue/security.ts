// The option security: what is given for TLS, read and checked once. Whether keys and certificates fit is for native to say.
import { closeSync, openSync, readSync } from 'node:fs';

import type { NativeSecurity } from '../binding/index.ts';
import { ChaskiError } from '../errors.ts';
import { invalid } from './failures.ts';
import { Purpose } from './types.ts';
import type { Pem, SecurityOptions } from './types.ts';

/** What else decides about TLS. */
export interface SecuredPlace {
  readonly purpose: Purpose;
  /** Whose certificate a client expects unless it says otherwise. */
  readonly host: string;
  readonly env: { readonly [name: string]: string | undefined };
}

/**
 * The checked option; null without TLS. Reads the files that it names.
 *
 * @throws ChaskiError `ERR_CHASKI_INVALID_ARGUMENT`, `ERR_CHASKI_TLS` when a file cannot be read.
 */
export function securityOf(value: unknown, place: SecuredPlace): NativeSecurity | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object') throw invalid('security', value, 'an object, or null for none');
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      const wanted = `left out: there is no such option. There are ${known.join(', ')}`;
      throw invalid(`security.${name}`, (value as Record<string, unknown>)[name], wanted);
    }
  }
  const options = withoutAlias(value, place.purpose);
  const checked = place.purpose === Purpose.SERVER ? ofServer(options) : ofClient(options, place);
  const key = options.key === undefined ? undefined : pem('security.key', options.key);
  const cert = options.cert === undefined ? undefined : pem('security.cert', options.cert);
  return {
    ...checked,
    ...(key === undefined ? {} : { key }),
    ...(cert === undefined ? {} : { cert }),
    onlyTls13: onlyTls13(options.minVersion),
  };
}

const known = 'key cert ca requestCert servername minVersion certificate'.split(' ');

type Checked = Pick<NativeSecurity, 'ca' | 'systemRoots' | 'serverName'>;

/** The seed's `certificate` is the chain that a server shows, and the one that a client trusts. */
function withoutAlias(options: SecurityOptions, purpose: Purpose): SecurityOptions {
  const { certificate, ...others } = options;
  if (certificate === undefined) return others;
  const name = purpose === Purpose.SERVER ? 'cert' : 'ca';
  if (others[name] !== undefined) {
    throw invalid('security.certificate', certificate, `left out where ${name} is given`);
  }
  return { ...others, [name]: certificate };
}

function ofServer(options: SecurityOptions): Checked {
  for (const name of ['key', 'cert'] as const) {
    if (options[name] === undefined) {
      const what =
        name === 'key' ? 'the private key of the server' : 'the certificate of the server';
      throw invalid(`security.${name}`, undefined, `${what}: PEM, or the path of a PEM file`);
    }
  }
  if (options.servername !== undefined) {
    throw invalid('security.servername', options.servername, 'left out for a server');
  }
  const { requestCert } = options;
  if (requestCert !== undefined && typeof requestCert !== 'boolean') {
    throw invalid('security.requestCert', requestCert, 'true or false');
  }
  if (requestCert === true && options.ca === undefined) {
    throw invalid('security.ca', undefined, 'given with requestCert: who signs the clients');
  }
  const ca = options.ca === undefined || requestCert === false ? [] : authorities(options.ca);
  return { ca, systemRoots: false, serverName: '' };
}

function ofClient(options: SecurityOptions, { host, env }: SecuredPlace): Checked {
  if (options.requestCert !== undefined) {
    throw invalid('security.requestCert', options.requestCert, 'left out for a client');
  }
  if ((options.key === undefined) !== (options.cert === undefined)) {
    const missing = options.key === undefined ? 'key' : 'cert';
    throw invalid(`security.${missing}`, undefined, 'given: key and cert belong together');
  }
  const { servername = host } = options;
  if (typeof servername !== 'string' || servername === '') {
    throw invalid('security.servername', servername, 'the host name of the server');
  }
  if (options.ca !== undefined) {
    return { ca: authorities(options.ca), systemRoots: false, serverName: servername };
  }
  const extra = env['NODE_EXTRA_CA_CERTS'];
  const ca = extra === undefined || extra === '' ? [] : [read('NODE_EXTRA_CA_CERTS', extra)];
  return { ca, systemRoots: true, serverName: servername };
}

function authorities(ca: Pem | readonly Pem[]): Uint8Array[] {
  const list: readonly unknown[] = Array.isArray(ca) ? ca : [ca];
  if (list.length === 0) throw invalid('security.ca', ca, 'left out, or at least one certificate');
  return list.map((one) => pem('security.ca', one));
}

function pem(name: string, value: unknown): Uint8Array {
  // A copy, in memory that native may read: a view may be of memory that is shared.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof URL) return read(name, value);
  if (typeof value === 'string' && value.includes('-----BEGIN')) return Buffer.from(value);
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return read(name, value);
  throw invalid(
    name,
    secret(value),
    'PEM, as text or bytes, or the path or file: URL of a PEM file',
  );
}

/** What may be a key is not shown. */
function secret(value: unknown): unknown {
  return typeof value === 'string' && value !== '' ? 'a text' : value;
}

/** More than the certificates of all authorities that there are. */
const mostBytes = 16 << 20;

function read(name: string, path: string | URL): Uint8Array {
  try {
    const file = openSync(path, 'r');
    try {
      return readAll(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ChaskiError('ERR_CHASKI_TLS', `${name}: the file cannot be read: ${reason}.`, {
      cause,
    });
  }
}

function readAll(file: number): Uint8Array {
  const chunks: Buffer[] = [];
  for (let total = 0; ;) {
    const chunk = Buffer.allocUnsafeSlow(64 << 10);
    const length = readSync(file, chunk);
    if (length === 0) return Buffer.concat(chunks);
    total += length;
    if (total > mostBytes) throw new Error(`it is longer than ${mostBytes} bytes`);
    chunks.push(chunk.subarray(0, length));
  }
}

function onlyTls13(minVersion: unknown): boolean {
  if (minVersion === undefined || minVersion === 'TLSv1.2') return false;
  if (minVersion === 'TLSv1.3') return true;
  throw invalid('security.minVersion', minVersion, "'TLSv1.2' or 'TLSv1.3'");
}
