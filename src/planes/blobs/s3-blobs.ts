/**
 * Blobs as objects of a bucket, in any store that speaks S3. Small ones go to the owner's row, as with files.
 *
 * Nothing can be renamed there, so what is written and not kept yet is marked on this machine: an empty file `<folder>/<id>`, synced before the
 * first byte leaves, removed by `keep`. After a crash the marks say which objects and which unfinished uploads may belong to nobody. Rejected: marks
 * as objects (two more round trips a blob), tags (to find them the whole bucket must be looked through).
 *
 * The place belongs to one cloud: an object `cloud` under the prefix has its name, so that two clouds never remove each other's bytes. When the
 * store does not answer, every method that needs it throws BlobsAwayError; a marked blob that it could not remove stays marked and is tried again.
 *
 * Memory: a large blob is sent in parts of 8 MiB, one on its way while the next is collected.
 */
import http from 'node:http';
import https from 'node:https';
import { access, mkdir, open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { PilviError } from '../../base/errors.ts';
import { Holds } from './holds.ts';
import type { BlobCredentials, BlobPlace } from './place.ts';
import { BlobsAwayError, type Blobs, inlineBytesMax, type OpenBlob, type Written } from './types.ts';

/** Bytes of one part; stores take no smaller ones than 5 MiB. */
const partBytes = 8 * 1024 * 1024;
/** Connections at once. */
const socketsMax = 256;
/** Real milliseconds to connect, and of silence after which an answer counts as lost. */
const connectTimeout = 5_000;
const silenceTimeout = 60_000;
/** Times that an interrupted reading goes on where it stopped. */
const resumesMax = 3;

export interface S3BlobsOptions {
  place: BlobPlace;
  credentials: BlobCredentials;
  /** Folder of the marks. */
  folder: string;
  /** Name of this cloud (place.ts). */
  cloud: string;
  /** Socket of the relay that leads to the endpoint; straight there when absent (machine/relay.ts). */
  relay?: string | undefined;
  /** Told when the store does not answer at the start, with its reason. */
  onAway: (reason: string) => void;
}

/** Opens the place. Resolves also when the store does not answer now. Throws PilviError BadOption when the place is another cloud's. */
export async function openS3Blobs(options: S3BlobsOptions): Promise<Blobs> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const blobs = new S3Blobs(options);
  await blobs.claim().catch((error) => {
    if (error instanceof BlobsTakenError) throw new PilviError('BadOption', error.message);
    if (!(error instanceof BlobsAwayError)) throw error;
    options.onAway(error.message);
  });
  return blobs;
}

/** The place holds the bytes of another cloud. */
class BlobsTakenError extends BlobsAwayError {}

function clientOf({ place, credentials, relay }: S3BlobsOptions): S3Client {
  // Agents hand on what they do not know to the connection.
  const agent = { keepAlive: true, maxSockets: socketsMax, ...(relay === undefined ? {} : { socketPath: relay }) };
  return new S3Client({
    endpoint: place.endpoint.href,
    region: place.region,
    credentials: credentials as { accessKeyId: string; secretAccessKey: string; sessionToken?: string },
    forcePathStyle: true,
    // Not every store knows the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      httpAgent: new http.Agent(agent),
      httpsAgent: new https.Agent(agent),
      connectionTimeout: connectTimeout,
      socketTimeout: silenceTimeout,
    },
  });
}

class S3Blobs implements Blobs {
  readonly #client: S3Client;
  readonly #place: BlobPlace;
  readonly #folder: string;
  readonly #cloud: string;
  readonly #holds = new Holds((id) => void this.remove(id).catch(() => undefined));
  /** Marked blobs of this run that could not be removed; tried again when the store answers. */
  readonly #strays = new Set<string>();
  #claimed: Promise<void> | undefined;

  constructor(options: S3BlobsOptions) {
    this.#client = clientOf(options);
    this.#place = options.place;
    this.#folder = options.folder;
    this.#cloud = options.cloud;
  }

  /** Makes sure that the place is this cloud's. Throws BlobsTakenError, BlobsAwayError. */
  claim(): Promise<void> {
    this.#claimed ??= this.#claim().catch((error) => {
      this.#claimed = undefined;
      throw error;
    });
    return this.#claimed;
  }

  async #claim(): Promise<void> {
    const target = this.#target('cloud');
    const readOwner = () =>
      this.#answer(async () => (await this.#client.send(new GetObjectCommand(target))).Body?.transformToString());
    let owner = await readOwner();
    if (owner === undefined) {
      // Who comes second is refused, and finds the other's name.
      const put = new PutObjectCommand({ ...target, Body: this.#cloud, IfNoneMatch: '*' });
      await this.#answer(() => this.#client.send(put)).catch(() => undefined);
      owner = await readOwner();
    }
    if (owner === undefined) throw new BlobsAwayError('The store does not keep what it is given.');
    if (owner === this.#cloud) return;
    const { bucket, prefix } = this.#place;
    throw new BlobsTakenError(`s3://${bucket}/${prefix} has the bytes of another cloud.`);
  }

  async write(id: string, source: AsyncIterable<Uint8Array>): Promise<Written> {
    let batch: Uint8Array[] = [];
    let batchBytes = 0;
    let bytes = 0;
    let upload: Upload | undefined;
    try {
      for await (const piece of source) {
        batch.push(piece);
        batchBytes += piece.byteLength;
        bytes += piece.byteLength;
        if (batchBytes < partBytes) continue;
        upload ??= await this.#begin(id);
        await upload.add(Buffer.concat(batch));
        batch = [];
        batchBytes = 0;
      }
      if (bytes <= inlineBytesMax) return { bytes, inline: batch.length === 1 ? batch[0]! : Buffer.concat(batch) };
      if (upload === undefined) {
        await this.#mark(id);
        const whole = new PutObjectCommand({ ...this.#target(id), Body: Buffer.concat(batch) });
        await this.#answer(() => this.#client.send(whole));
      } else {
        if (batchBytes > 0) await upload.add(Buffer.concat(batch));
        await upload.finish();
      }
    } catch (error) {
      await upload?.settle();
      // Whoever waits hears of the failure at once; what is left goes meanwhile.
      if (bytes > inlineBytesMax) this.#strays.add(id);
      void this.#removeStrays();
      throw error;
    }
    void this.#removeStrays();
    return { bytes };
  }

  async keep(id: string): Promise<void> {
    await rm(path.join(this.#folder, id), { force: true });
  }

  open(id: string): Promise<OpenBlob | undefined> {
    const release = this.#holds.hold([id]);
    return Promise.resolve({
      read: (start, end) => this.#read(id, start, end, release),
      close: async () => release(),
    });
  }

  async copy(from: string, to: string): Promise<void> {
    await this.#mark(to);
    const { bucket, prefix } = this.#place;
    const copy = new CopyObjectCommand({ ...this.#target(to), CopySource: encodeURI(`${bucket}/${prefix}${from}`) });
    if ((await this.#answer(() => this.#client.send(copy))) === undefined) {
      await this.keep(to);
      throw new Error(`There is no blob ${from}.`);
    }
  }

  hold(ids: readonly string[]): () => void {
    return this.#holds.hold(ids);
  }

  async remove(id: string): Promise<void> {
    if (this.#holds.putsOff(id)) {
      // Back to what is pending: a crash before the last reader leaves is a crash before `keep`.
      await this.#mark(id);
      return;
    }
    const isMarked = await this.#isMarked(id);
    try {
      await this.#removeNow(id, isMarked);
    } catch (error) {
      // What is pending stays so, and nobody has to ask again.
      if (!isMarked || !(error instanceof BlobsAwayError)) throw error;
      this.#strays.add(id);
    }
  }

  async #removeNow(id: string, isMarked: boolean): Promise<void> {
    await this.claim();
    if (isMarked) await this.#abort(id);
    await this.#answer(() => this.#client.send(new DeleteObjectCommand(this.#target(id))));
    await this.keep(id);
    this.#strays.delete(id);
  }

  pending(): Promise<string[]> {
    return readdir(this.#folder);
  }

  async clear(): Promise<void> {
    await this.claim();
    const { bucket: Bucket, prefix: Prefix } = this.#place;
    for (;;) {
      const page = await this.#answer(() => this.#client.send(new ListObjectsV2Command({ Bucket, Prefix })));
      const Objects = (page?.Contents ?? []).flatMap(({ Key }) =>
        Key === undefined || Key === `${Prefix}cloud` ? [] : [{ Key }],
      );
      if (Objects.length === 0) break;
      await this.#answer(() => this.#client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } })));
    }
    for (const id of await this.pending()) {
      await this.#abort(id);
      await this.keep(id);
    }
    this.#strays.clear();
  }

  /** Reads on where it was interrupted, so that a store that restarts breaks nothing. */
  async *#read(id: string, start: number, end: number, release: () => void): AsyncGenerator<Uint8Array> {
    let at = start;
    let resumes = 0;
    try {
      while (at < end) {
        const get = new GetObjectCommand({ ...this.#target(id), Range: `bytes=${at}-${end - 1}` });
        const answer = await this.#answer(() => this.#client.send(get));
        if (answer?.Body === undefined) throw new Error(`There is no blob ${id}.`);
        try {
          for await (const piece of answer.Body as AsyncIterable<Uint8Array>) {
            at += piece.byteLength;
            yield piece;
          }
        } catch (error) {
          if (resumes >= resumesMax) throw new BlobsAwayError('The store ended its answer early.', { cause: error });
        }
        if (at < end && ++resumes > resumesMax) throw new BlobsAwayError('The store ended its answer early.');
      }
    } finally {
      release();
    }
  }

  async #begin(id: string): Promise<Upload> {
    await this.#mark(id);
    const target = this.#target(id);
    const begun = await this.#answer(() => this.#client.send(new CreateMultipartUploadCommand(target)));
    if (begun?.UploadId === undefined) throw new BlobsAwayError('The store began no upload.');
    return new Upload({ ...target, UploadId: begun.UploadId }, this.#client, (call) => this.#answer(call));
  }

  /** Ends the unfinished uploads of a blob. */
  async #abort(id: string): Promise<void> {
    const { Bucket, Key } = this.#target(id);
    const listed = await this.#answer(() => this.#client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key })));
    for (const { UploadId, Key: key } of listed?.Uploads ?? []) {
      if (key !== Key) continue;
      await this.#answer(() => this.#client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })));
    }
  }

  async #removeStrays(): Promise<void> {
    for (const id of this.#strays) {
      try {
        await this.#removeNow(id, true);
      } catch {
        // Away again: the next one that is written tries it, or the next start.
        return;
      }
    }
  }

  async #mark(id: string): Promise<void> {
    await this.claim();
    const mark = await open(path.join(this.#folder, id), 'w', 0o600);
    await mark.close();
    const folder = await open(this.#folder, 'r');
    await folder.sync().finally(() => folder.close());
  }

  #isMarked(id: string): Promise<boolean> {
    return access(path.join(this.#folder, id)).then(
      () => true,
      () => false,
    );
  }

  #target(id: string): { Bucket: string; Key: string } {
    return { Bucket: this.#place.bucket, Key: this.#place.prefix + id };
  }

  /** An answer of the store; undefined for what it does not have. Throws BlobsAwayError for every other failure. */
  async #answer<Answer>(call: () => Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await call();
    } catch (error) {
      if (/^(NoSuchKey|NotFound|NoSuchUpload)$/.test((error as Error).name)) return undefined;
      const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new BlobsAwayError(`The store that holds the bytes refuses or does not answer (${why}).`, { cause: error });
    }
  }
}

/** A blob on its way in parts: at most one is being sent while the next is collected. */
class Upload {
  readonly #target: { Bucket: string; Key: string; UploadId: string };
  readonly #client: S3Client;
  readonly #answer: <Answer>(call: () => Promise<Answer>) => Promise<Answer | undefined>;
  readonly #parts: CompletedPart[] = [];
  #sending: Promise<void> | undefined;
  #number = 0;

  constructor(
    target: { Bucket: string; Key: string; UploadId: string },
    client: S3Client,
    answer: <Answer>(call: () => Promise<Answer>) => Promise<Answer | undefined>,
  ) {
    this.#target = target;
    this.#client = client;
    this.#answer = answer;
  }

  /** Sends a part once the one before has arrived. Throws that one's failure. */
  async add(Body: Uint8Array): Promise<void> {
    await this.#sending;
    this.#number += 1;
    this.#sending = this.#send(this.#number, Body);
    // Heard of when it is waited for.
    this.#sending.catch(() => undefined);
  }

  async #send(PartNumber: number, Body: Uint8Array): Promise<void> {
    const sent = await this.#answer(() => this.#client.send(new UploadPartCommand({ ...this.#target, PartNumber, Body })));
    if (sent === undefined) throw new BlobsAwayError('The store has lost an upload.');
    this.#parts.push({ PartNumber, ETag: sent.ETag });
  }

  async finish(): Promise<void> {
    await this.#sending;
    const complete = { ...this.#target, MultipartUpload: { Parts: this.#parts } };
    const done = await this.#answer(() => this.#client.send(new CompleteMultipartUploadCommand(complete)));
    if (done === undefined) throw new BlobsAwayError('The store has lost an upload.');
  }

  /** Resolves when nothing of it is on its way any more. */
  async settle(): Promise<void> {
    await this.#sending?.catch(() => undefined);
  }
}
