/**
 * The commit log: an append-only file that makes a transaction durable with one write(2). What the kernel has taken survives `kill -9`; after
 * a crash of the operating system the log is read up to the first record that is torn, so that what comes back is some prefix of history.
 *
 * A record is length (u32), CRC-32 of the body (u32), body; the body is operations: kind (1 put, 2 delete), key length (u16), key, and for a
 * put value length (u32), value. Little endian.
 */
import assert from 'node:assert/strict';
import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Slot } from './layer.ts';

const logName = /^log-(\d+)$/;
const headBytes = 8;
const put = 1;
const remove = 2;
const flush = promisify(fdatasync);
/** A buffer larger than this is not kept for the next record. */
const keptBufferBytesMax = 1 << 20;

export class CommitLog {
  readonly path: string;
  readonly #descriptor: number;
  #size: number;
  #buffer = Buffer.allocUnsafeSlow(1 << 14);
  #broken: Error | undefined;

  /** Opens for appending after the first `size` bytes; what follows them is cut off. Creates the file if there is none. */
  constructor(path: string, size: number) {
    this.path = path;
    this.#descriptor = openSync(path, 'a');
    this.#size = size;
    ftruncateSync(this.#descriptor, size);
  }

  get size(): number {
    return this.#size;
  }

  /** Appends one transaction, whole or (throwing the system's error) not at all. */
  append(writes: ReadonlyMap<string, Slot>): void {
    if (this.#broken)
      throw new Error('The log of the store is in an unknown state after a failed write.', { cause: this.#broken });
    const length = this.#encode(writes);
    try {
      for (let sent = 0; sent < length; ) sent += writeSync(this.#descriptor, this.#buffer, sent, length - sent);
      this.#size += length;
    } catch (error) {
      this.#rollBack(error as Error);
      throw error;
    }
    if (this.#buffer.length > keptBufferBytesMax) this.#buffer = Buffer.allocUnsafeSlow(1 << 14);
  }

  /** Resolves once all of it is on the disk. */
  async flush(): Promise<void> {
    await flush(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** A full disk may leave half a record behind. */
  #rollBack(cause: Error): void {
    try {
      ftruncateSync(this.#descriptor, this.#size);
    } catch {
      this.#broken = cause;
    }
  }

  #encode(writes: ReadonlyMap<string, Slot>): number {
    let length = headBytes;
    for (const [text, { bytes }] of writes) length += 3 + text.length + (bytes === undefined ? 0 : 4 + bytes.length);
    assert(length < 2 ** 31, 'A transaction of more than 2 GB.');
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(Math.max(length, this.#buffer.length * 2));
    const buffer = this.#buffer;
    let at = headBytes;
    for (const [text, { bytes }] of writes) {
      buffer[at] = bytes === undefined ? remove : put;
      buffer.writeUInt16LE(text.length, at + 1);
      at += 3 + buffer.write(text, at + 3, 'latin1');
      if (bytes === undefined) continue;
      buffer.writeUInt32LE(bytes.length, at);
      buffer.set(bytes, at + 4);
      at += 4 + bytes.length;
    }
    buffer.writeUInt32LE(at - headBytes, 0);
    buffer.writeUInt32LE(crc32(buffer.subarray(headBytes, at)), 4);
    return at;
  }
}

/** Hands every whole record's writes to `apply`, in order; returns the bytes they take and whether the file ended there. */
export function replayLog(path: string, apply: (text: string, slot: Slot) => void): { size: number; whole: boolean } {
  const file = readFileSync(path);
  let at = 0;
  while (at + headBytes <= file.length) {
    const end = at + headBytes + file.readUInt32LE(at);
    // A hole that the crash left reads as zeros: length 0 and checksum 0 would look like an empty record.
    if (end > file.length || end === at + headBytes) break;
    const body = file.subarray(at + headBytes, end);
    if (crc32(body) !== file.readUInt32LE(at + 4)) break;
    replayRecord(body, apply);
    at = end;
  }
  return { size: at, whole: at === file.length };
}

function replayRecord(body: Buffer, apply: (text: string, slot: Slot) => void): void {
  for (let at = 0; at < body.length; ) {
    const kind = body[at];
    const keyEnd = at + 3 + body.readUInt16LE(at + 1);
    const text = body.toString('latin1', at + 3, keyEnd);
    if (kind === remove) {
      apply(text, { bytes: undefined });
      at = keyEnd;
    } else {
      const valueEnd = keyEnd + 4 + body.readUInt32LE(keyEnd);
      apply(text, { bytes: Uint8Array.prototype.slice.call(body, keyEnd + 4, valueEnd) });
      at = valueEnd;
    }
  }
}

/** Where the log of a number lies. */
export function logPath(folder: string, number: number): string {
  return join(folder, `log-${number}`);
}

/** Numbers of the logs in a folder, ascending. */
export function findLogs(folder: string): number[] {
  const numbers: number[] = [];
  for (const name of readdirSync(folder)) {
    const match = logName.exec(name);
    if (match) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}

/** Makes the names in a new folder survive a crash of the operating system. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
