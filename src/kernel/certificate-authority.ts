/**
 * The cloud's certificate authority: one for each data folder, made when first asked for. The gateway's HTTPS stands on it, and so does whatever
 * else in the cloud presents a certificate that clients shall trust (load balancers, ACM, custom domains). Users trust `ca.pem` and with it
 * everything; the key never leaves the folder.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Millis } from '../base/clock.ts';
import type { IdSource } from '../base/ids.ts';
import { type DistinguishedName, generateKey, type KeyAlgorithm, keyIdOf, makeCertificate } from '../base/x509.ts';

const day: Millis = 86_400_000;
const authorityDays = 3650;
/** Longest that Apple's clients accept of a certificate; others take more. */
const leafDays = 397;
const serialBytes = 16;

export interface IssueRequest {
  /** DNS names and IPv4 addresses; the first is also the common name. */
  names: readonly string[];
  /** `EC_prime256v1` unless told, which takes a millisecond; RSA takes a tenth of a second and more. */
  algorithm?: KeyAlgorithm | undefined;
  /** Private key to certify again, as PEM: a renewal keeps the key. */
  privateKey?: string | undefined;
  /** Real time from yesterday on for 397 days, unless told. */
  notBefore?: Millis | undefined;
  notAfter?: Millis | undefined;
}

/** A certificate with its key, all as PEM. */
export interface IssuedCertificate {
  certificate: string;
  /** The authority's own certificate, which is all there is above. */
  chain: string;
  /** PKCS #8. */
  privateKey: string;
}

interface Authority {
  name: DistinguishedName;
  certificate: string;
  key: KeyObject;
}

export class CertificateAuthority {
  /** Where `ca.pem` lies once `certificate()` or `issue()` has been called. */
  readonly file: string;
  readonly #keyFile: string;
  readonly #clock: Clock;
  readonly #ids: IdSource;
  #opening: Promise<Authority> | undefined;

  constructor(folder: string, clock: Clock, ids: IdSource) {
    this.file = path.join(folder, 'ca.pem');
    this.#keyFile = path.join(folder, 'ca-key.pem');
    this.#clock = clock;
    this.#ids = ids;
  }

  /** The authority's certificate as PEM: what clients must trust. Rejects when the folder cannot be written. */
  async certificate(): Promise<string> {
    return (await this.#open()).certificate;
  }

  /** A certificate for servers and clients, signed by the authority. Throws TypeError when no name is given. */
  async issue({ names, algorithm = 'EC_prime256v1', privateKey, notBefore, notAfter }: IssueRequest): Promise<IssuedCertificate> {
    const [commonName] = names;
    if (commonName === undefined) throw new TypeError('A certificate needs a name.');
    const authority = await this.#open();
    const key = privateKey === undefined ? await generateKey(algorithm) : createPrivateKey(privateKey);
    const from = notBefore ?? this.#clock.realNow() - day;
    const certificate = makeCertificate({
      subject: { commonName },
      names,
      publicKey: createPublicKey(key),
      issuer: { name: authority.name, privateKey: authority.key },
      serial: Uint8Array.from(this.#ids.bytes(serialBytes)),
      notBefore: from,
      notAfter: notAfter ?? from + leafDays * day,
    });
    return { certificate, chain: authority.certificate, privateKey: key.export({ type: 'pkcs8', format: 'pem' }) as string };
  }

  #open(): Promise<Authority> {
    this.#opening ??= this.#read().then((found) => found ?? this.#make());
    this.#opening.catch(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** The authority in the folder; undefined when there is none, or when a crash left only one of its two files. */
  async #read(): Promise<Authority | undefined> {
    const [certificate, keyText] = await Promise.all(
      [this.file, this.#keyFile].map((file) => readFile(file, 'utf8').catch(() => undefined)),
    );
    if (certificate === undefined || keyText === undefined) return undefined;
    const key = createPrivateKey(keyText);
    const known = new X509Certificate(certificate);
    if (!known.checkPrivateKey(key) || Date.parse(known.validTo) < this.#clock.realNow() + leafDays * day) return undefined;
    return { name: nameOf(key), certificate, key };
  }

  async #make(): Promise<Authority> {
    const key = await generateKey('EC_prime256v1');
    const name = nameOf(key);
    const now = this.#clock.realNow();
    const certificate = makeCertificate({
      subject: name,
      names: [],
      publicKey: createPublicKey(key),
      issuer: { name, privateKey: key },
      serial: Uint8Array.from(this.#ids.bytes(serialBytes)),
      notBefore: now - day,
      notAfter: now + authorityDays * day,
      authorityDepth: 0,
    });
    await mkdir(path.dirname(this.file), { recursive: true });
    await replaceFile(this.#keyFile, key.export({ type: 'pkcs8', format: 'pem' }) as string, 0o600);
    await replaceFile(this.file, certificate, 0o644);
    return { name, certificate, key };
  }
}

/** Each cloud's authority has a name of its own, so that a client that trusts several can tell them apart. */
function nameOf(key: KeyObject): DistinguishedName {
  const id = Buffer.from(keyIdOf(createPublicKey(key))).toString('hex');
  return { organisation: 'Pilvi', commonName: `Pilvi CA ${id.slice(0, 8)}` };
}

/** Whole or not at all, also when the process dies in the middle. */
async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  await writeFile(`${file}.new`, text, { mode });
  await rename(`${file}.new`, file);
}
