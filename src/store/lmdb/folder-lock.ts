/**
 * One process per data folder. The lock is a Unix socket in the folder that its owner listens on: it lives exactly as long as the process,
 * however that ends, and is seen across process and network namespaces. Who finds the socket and gets an answer knows the folder is taken, and by
 * whom; who is refused knows the owner is dead and takes over.
 *
 * Rejected: a file with process id and start time (Pilvi runs in a process namespace of its own, where every Pilvi is process 1), flock(2) (Node
 * has none without starting a program).
 */
import { lstatSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { PilviError } from '../../base/errors.ts';

const lockName = 'lock';
/** `sun_path` holds 108 bytes on Linux, 104 elsewhere, with the zero at the end. */
const socketPathBytesMax = 103;
const attemptsMax = 5;
/** An owner that is busy or stopped still holds the folder; it is only not asked for its name any longer. */
const answerMillisMax = 1000;

export interface FolderLock {
  release(): Promise<void>;
}

/** Takes the lock of an existing folder. Throws PilviError DataFolderLocked when another store has it, in this process or another. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(realpathSync(folder), lockName);
  if (Buffer.byteLength(path) + 24 > socketPathBytesMax) {
    throw new PilviError('BadOption', `The path of the data folder is too long: ${folder}`);
  }
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const server = await listen(path);
    if (server !== undefined) return { release: () => close(server) };
    const owner = await askOwner(path);
    if (owner !== undefined) throw locked(folder, owner);
    await removeStale(path, folder);
  }
  throw locked(folder, 'somebody who starts at the same time');
}

function locked(folder: string, owner: string): PilviError {
  return new PilviError('DataFolderLocked', `${folder} is used by ${owner}.`);
}

/** Undefined when there is a socket already. */
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

/** What the owner says of itself; undefined when nobody listens. */
function askOwner(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let said = '';
    let connected = false;
    const socket = connect(path);
    socket.setEncoding('utf8');
    socket.setTimeout(answerMillisMax, () => socket.destroy());
    socket.on('connect', () => {
      connected = true;
    });
    socket.on('data', (chunk: string) => {
      said += chunk;
    });
    socket.on('close', () => resolve(connected ? said || 'another process' : undefined));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!connected && error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT') reject(error);
    });
  });
}

/**
 * Moves a dead socket away and removes it. Another starter may have replaced it in between by its own, so what was moved is asked once more (a
 * socket follows its file) and put back if it lives.
 */
async function removeStale(path: string, folder: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    if (!lstatSync(path).isSocket()) throw locked(folder, `something that left a file ${path}`);
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const owner = await askOwner(aside);
  if (owner === undefined) rmSync(aside, { force: true });
  else {
    renameSync(aside, path);
    throw locked(folder, owner);
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
