// Certificates made by the test, good ones and every kind of bad one: X.509 written by hand, so that nothing refuses to make them.
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

interface Made {
  /** PEM: the certificate, then those of `chain`. */
  readonly cert: string;
  /** PEM, PKCS#8. */
  readonly key: string;
  readonly der: Buffer;
  readonly privateKey: KeyObject;
  readonly name: string;
}

interface CertificateFields {
  /** Common name. */
  readonly name?: string;
  /** Who signs it; left out: itself. */
  readonly by?: Made;
  readonly authority?: boolean;
  /** Host names and IPv4 addresses. */
  readonly names?: readonly string[];
  readonly from?: Date;
  readonly until?: Date;
  readonly kind?: 'ec' | 'rsa';
  readonly bits?: number;
  readonly hash?: 'sha256' | 'md5';
}

const day = 24 * 60 * 60 * 1000;

export function certificate(fields: CertificateFields = {}): Made {
  const { name = 'test', by, authority = false, names = [], kind = 'ec', hash = 'sha256' } = fields;
  const { publicKey, privateKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: fields.bits ?? 2048 });
  const from = fields.from ?? new Date(Date.now() - day);
  const until = fields.until ?? new Date(Date.now() + day);
  const signer = by?.privateKey ?? privateKey;
  const algorithm = algorithmOf(signer, hash);
  const extensions = [extension('551d13', true, sequence(...(authority ? [boolean(true)] : [])))];
  // Python takes no certificate without these.
  extensions.push(extension('551d0e', false, tagged(0x04, keyIdentifier(privateKey))));
  extensions.push(extension('551d23', false, sequence(tagged(0x80, keyIdentifier(signer)))));
  if (authority) extensions.push(extension('551d0f', true, tagged(0x03, Buffer.of(1, 0x06))));
  if (names.length > 0)
    extensions.push(extension('551d11', false, sequence(...names.map(general))));
  const body = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    distinguished(by?.name ?? name),
    sequence(time(from), time(until)),
    distinguished(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = sign(hash, body, signer);
  const der = sequence(body, algorithm, tagged(0x03, Buffer.of(0), signature));
  const base64 = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n');
  const cert = `-----BEGIN CERTIFICATE-----\n${base64}-----END CERTIFICATE-----\n`;
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { cert, key, der, privateKey, name };
}

/** An authority, a server for this machine and a client, both signed by it. */
interface Trust {
  readonly ca: Made;
  readonly server: Made;
  readonly client: Made;
}

export function trust(): Trust {
  const ca = certificate({ name: 'authority', authority: true });
  const server = certificate({ name: 'server', by: ca, names: ['localhost', '127.0.0.1'] });
  return { ca, server, client: certificate({ name: 'client', by: ca }) };
}

function keyIdentifier(key: KeyObject): Buffer {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return createHash('sha1').update(der).digest();
}

function algorithmOf(signer: KeyObject, hash: 'sha256' | 'md5'): Buffer {
  if (signer.asymmetricKeyType === 'ec') return sequence(object('2a8648ce3d040302'));
  const rsa = { sha256: '2a864886f70d01010b', md5: '2a864886f70d010104' };
  return sequence(object(rsa[hash]), tagged(0x05));
}

function distinguished(name: string): Buffer {
  const commonName = sequence(object('550403'), tagged(0x0c, Buffer.from(name)));
  return sequence(tagged(0x31, commonName));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(object(id), ...(critical ? [boolean(true)] : []), tagged(0x04, value));
}

function general(name: string): Buffer {
  const parts = name.split('.').map(Number);
  const isAddress = parts.length === 4 && parts.every((part) => part >= 0 && part < 256);
  return isAddress ? tagged(0x87, Buffer.from(parts)) : tagged(0x82, Buffer.from(name));
}

function time(date: Date): Buffer {
  const text = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  // Until 2049 a year has two digits in X.509.
  return date.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(text.slice(2)))
    : tagged(0x18, Buffer.from(text));
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.of(value ? 0xff : 0));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function object(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

/** A value in DER: tag, length, contents. */
function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body]);
  if (length < 0x1_00) return Buffer.concat([Buffer.of(tag, 0x81, length), body]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), body]);
}
