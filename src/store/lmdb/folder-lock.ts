/**
 * One process per data folder. The lock is a Unix socket in the folder that its owner listens on: it lives exactly as long as the process,
 * however that ends, and is seen across process and network namespaces. Who finds one that answers knows the folder is taken, and by whom.
 *
 * A dead socket's file stays behind, and cannot be replaced in one step that nobody else takes too. So nobody replaces: sockets are numbered,
 * a starter that finds only dead ones binds the next number (which one process can), and then looks at all others once more. Of two that
 * both hold one, who looks last sees the other alive and gives up; two owners are impossible, however starts interleave. The owner sweeps up the dead.
 *
 * Rejected: a file with process id and start time (Pilvi runs in a process namespace of its own, where every Pilvi is process 1), flock(2) (Node
 * has none without starting a program).
 */
import { lstatSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { PilviError } from '../../base/errors.ts';

const lockName = /^lock-(\d+)$/;
/** `sun_path` holds 108 bytes on Linux, 104 elsewhere, with the zero at the end. */
const socketPathBytesMax = 103;
/** Room for `/lock-` and a number. */
const nameBytes = 16;
const attemptsMax = 10;
/** An owner that is busy or stopped still holds the folder; it is only not asked for its name any longer. */
const answerMillisMax = 1000;

/** Nobody listens, the file is gone, or its owner left while we called. */
const goneCodes = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET']);

export interface FolderLock {
  release(): Promise<void>;
}

/** Takes the lock of an existing folder. Throws PilviError DataFolderLocked when another store has it, in this process or another. */
export async function lockFolder(path: string): Promise<FolderLock> {
  const folder = realpathSync(path);
  if (Buffer.byteLength(folder) + nameBytes > socketPathBytesMax) {
    throw new PilviError('BadOption', `The path of the data folder is too long: ${folder}`);
  }
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    await refuseIfOwned(folder, undefined);
    const number = Math.max(0, ...findLocks(folder)) + 1;
    const server = await listen(lockPath(folder, number));
    if (server === undefined) continue;
    try {
      await refuseIfOwned(folder, number);
    } catch (error) {
      await close(server);
      if (attempt + 1 === attemptsMax) throw error;
      continue;
    }
    for (const other of findLocks(folder)) if (other < number) removeSocket(lockPath(folder, other));
    return { release: () => close(server) };
  }
  throw locked(folder, 'somebody who starts at the same time');
}

/** Throws DataFolderLocked when a socket other than our own answers. */
async function refuseIfOwned(folder: string, own: number | undefined): Promise<void> {
  for (const number of findLocks(folder)) {
    if (number === own) continue;
    const owner = await askOwner(lockPath(folder, number));
    if (owner !== undefined) throw locked(folder, owner);
  }
}

function lockPath(folder: string, number: number): string {
  return join(folder, `lock-${number}`);
}

function findLocks(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const match = lockName.exec(name);
    return match ? [Number(match[1])] : [];
  });
}

function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path, { force: true });
}

function locked(folder: string, owner: string): PilviError {
  return new PilviError('DataFolderLocked', `${folder} is used by ${owner}.`);
}

/** Undefined when there is such a file already. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(`process ${process.pid}`);
    });
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(path, () => resolve(server));
  });
}

/** What the owner says of itself; undefined when nobody listens, or no longer. */
function askOwner(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let said = '';
    let alive = false;
    const socket = connect(path);
    socket.setEncoding('utf8');
    socket.setTimeout(answerMillisMax, () => socket.destroy());
    socket.on('connect', () => {
      alive = true;
    });
    socket.on('data', (chunk: string) => {
      said += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A full queue of callers: somebody is there.
      if (error.code === 'EAGAIN') alive = true;
      else if (!alive && !goneCodes.has(error.code ?? '')) reject(error);
    });
    socket.on('close', () => resolve(alive ? said || 'another process' : undefined));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
