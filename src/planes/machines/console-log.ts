/**
 * A machine's console: the last 64 KiB that it has printed since its boot, in memory and in a file of bounded size, so that it can be read when the
 * machine is off, and by a Pilvi started later.
 */
import { appendFile, open, readFile, rm, writeFile } from 'node:fs/promises';

/** What `read` gives at most, in bytes. EC2 keeps as much (GetConsoleOutput). */
export const consoleBytesMax = 64 * 1024;
const fileBytesMax = 4 * consoleBytesMax;

export class ConsoleLog {
  readonly #path: string;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #fileBytes = 0;
  /** What is not yet in the file. */
  #unwritten: Buffer[] = [];
  #writing: Promise<void> | undefined;
  #known = false;
  #error: unknown;

  /** `path` is the file; it need not exist. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Starts anew, as at a boot. */
  async clear(): Promise<void> {
    this.#known = true;
    this.#chunks = [];
    this.#bytes = 0;
    this.#unwritten = [];
    await this.#writing;
    this.#fileBytes = 0;
    await writeFile(this.#path, '');
  }

  append(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk);
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    while (this.#chunks.length > 1 && this.#bytes - (this.#chunks[0] as Buffer).length >= consoleBytesMax) {
      this.#bytes -= (this.#chunks.shift() as Buffer).length;
    }
    this.#unwritten.push(bytes);
    this.#writing ??= this.#write().catch((error: unknown) => {
      this.#error = error;
    });
  }

  /** The last 64 KiB. Throws what kept the file from being written, a full disk for instance. */
  async read(): Promise<Uint8Array> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#known) return Buffer.concat(this.#chunks).subarray(-consoleBytesMax);
    const bytes = await readFile(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    return bytes.subarray(-consoleBytesMax);
  }

  /** Resolves once all that was appended is in the file. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async remove(): Promise<void> {
    await this.#writing;
    await rm(this.#path, { force: true });
  }

  async #write(): Promise<void> {
    try {
      while (this.#unwritten.length > 0) {
        const batch = Buffer.concat(this.#unwritten);
        this.#unwritten = [];
        await appendFile(this.#path, batch);
        this.#fileBytes += batch.length;
        if (this.#fileBytes > fileBytesMax) await this.#shorten();
      }
    } finally {
      this.#writing = undefined;
    }
  }

  async #shorten(): Promise<void> {
    const file = await open(this.#path, 'r+');
    try {
      const { size } = await file.stat();
      const tail = Buffer.alloc(Math.min(size, consoleBytesMax));
      await file.read(tail, 0, tail.length, size - tail.length);
      await file.truncate(0);
      await file.write(tail, 0, tail.length, 0);
      this.#fileBytes = tail.length;
    } finally {
      await file.close();
    }
  }
}
