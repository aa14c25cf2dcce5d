/** A client's connection: a name and a session first, then requests one after another, each answered before the next is looked at. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { CacheRefusal } from '../types.ts';
import { bytes, CborReader, endOf, integer, list, ProtocolError, text } from './cbor.ts';
import { listOf, single } from './members.ts';
import type { CacheNode, Session } from './node.ts';
import { encodeRefusal, methods, protocolName, success } from './protocol.ts';
import { batchGetItem, getItem, keyShape, readPage, transactGetItems } from './reads.ts';
import { bytesOf, textOf } from './values.ts';
import { batchWriteItem, deleteItem, putItem, transactWriteItems, updateItem } from './writes.ts';

/** A batch of 25 items of 400 KiB, and what stands around them. */
const requestBytesMax = 17 * 1024 * 1024;
/** Values of the greeting: a name, a number, the session, facts about the client, a number. */
const greetingValues = 5;
/** Real milliseconds in which a client must have greeted. */
const greetingMillisMax = 10_000;

type Method = (node: CacheNode, args: readonly Buffer[], session: Session) => Promise<Buffer>;

const handlers: Readonly<Record<string, Method>> = {
  'key-shape': async (node, args, session) => {
    await admitted(node, session);
    return keyShape(node, args);
  },
  'list-names': async (node, args, session) => {
    await admitted(node, session);
    return Buffer.concat([success, list((await node.listNames(Number(single(args[0])))).map(text))]);
  },
  'list-number': async (node, args, session) => {
    await admitted(node, session);
    return Buffer.concat([success, integer(await node.listNumber(listOf(args[0]).map(textOf)))]);
  },
  endpoints: async (node, _args, session) => {
    await admitted(node, session);
    return endpoints(node);
  },
  GetItem: getItem,
  PutItem: putItem,
  DeleteItem: deleteItem,
  UpdateItem: updateItem,
  Query: (node, args, session) => readPage(node, 'Query', args, session),
  Scan: (node, args, session) => readPage(node, 'Scan', args, session),
  BatchGetItem: batchGetItem,
  BatchWriteItem: batchWriteItem,
  TransactGetItems: transactGetItems,
  TransactWriteItems: transactWriteItems,
};

/** What every client may that has shown who it is. */
async function admitted(node: CacheNode, session: Session): Promise<void> {
  await node.permit({ ...session, allowed: new Set(['admitted']) }, 'admitted');
}

function endpoints(node: CacheNode): Buffer {
  const peers = node.spec?.peers ?? [];
  const leader = peers.find(({ primary }) => primary)?.id ?? 0;
  return Buffer.concat([
    success,
    list(
      peers.map(({ id, host, address, port, primary, zone }) =>
        list([
          ...[integer(id), text(host), bytes(Buffer.from(address.split('.').map(Number))), integer(port)],
          ...[integer(primary ? 1 : 2), text(zone), integer(leader)],
        ]),
      ),
    ),
  ]);
}

/** Serves one connection until it closes. */
export class ClientConnection {
  readonly #node: CacheNode;
  readonly #socket: Socket;
  #session: Session = { allowed: new Set() };
  #arrived: Buffer = Buffer.alloc(0);
  #greeted = false;
  #busy = false;
  #retired = false;

  constructor(node: CacheNode, socket: Socket) {
    this.#node = node;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    const patience = setTimeout(() => {
      if (!this.#greeted) this.#hangUp();
    }, greetingMillisMax);
    socket.on('close', () => clearTimeout(patience));
    socket.on('data', (piece: Buffer) => {
      if (this.#retired && !this.#busy) return this.#hangUp();
      this.#arrived = this.#arrived.length === 0 ? piece : Buffer.concat([this.#arrived, piece]);
      if (!this.#busy) void this.#serve();
    });
  }

  /** What is under way is answered; the next request closes the connection. */
  retire(): void {
    this.#retired = true;
  }

  /** Ends the connection so that the client hears of it: the namespace holds back plain ends, which are what a dead node leaves (silence.ts). */
  #hangUp(): void {
    if (this.#socket instanceof TLSSocket) this.#socket.end();
    else this.#socket.resetAndDestroy();
  }

  async #serve(): Promise<void> {
    this.#busy = true;
    this.#socket.cork();
    try {
      while (await this.#next()) if (this.#socket.destroyed || this.#retired) break;
      if (this.#arrived.length > requestBytesMax) throw new ProtocolError('A request beyond all bounds');
    } catch {
      // What is not the protocol has no answer in it.
      this.#hangUp();
    }
    this.#socket.uncork();
    this.#busy = false;
  }

  /** Takes one request, when it is there whole. */
  async #next(): Promise<boolean> {
    if (!this.#greeted) return this.#greet();
    const head = this.#values(2, 0);
    if (head === undefined) return false;
    const method = methods[Number(single(head.values[1]))];
    if (Number(single(head.values[0])) !== 1 || method === undefined) throw new ProtocolError('A method of an unknown number');
    const request = this.#values(method.values, head.end);
    if (request === undefined) return false;
    this.#arrived = this.#arrived.subarray(request.end);
    if (method.name === 'authorize') await this.#authorize(request.values);
    else this.#socket.write(await this.#answer(method.name, request.values));
    return true;
  }

  #greet(): boolean {
    const greeting = this.#values(greetingValues, 0);
    if (greeting === undefined) return false;
    if (single(greeting.values[0]) !== protocolName) throw new ProtocolError('Another protocol');
    this.#arrived = this.#arrived.subarray(greeting.end);
    this.#greeted = true;
    return true;
  }

  #values(count: number, from: number): { values: Buffer[]; end: number } | undefined {
    const values: Buffer[] = [];
    let end = from;
    for (let index = 0; index < count; index += 1) {
      const next = endOf(this.#arrived, end);
      if (next < 0) return undefined;
      values.push(this.#arrived.subarray(end, next));
      end = next;
    }
    return { values, end };
  }

  /** Has no answer of its own: a refusal is that of the requests that follow. */
  async #authorize(args: readonly Buffer[]): Promise<void> {
    const [keyId, signature, signedText, token] = args.map((each) => new CborReader(each).value());
    const proof = {
      keyId: textOf(keyId),
      signature: textOf(signature),
      signedText: bytesOf(signedText).toString('utf8'),
      token: token === null || token === undefined ? undefined : textOf(token),
    };
    this.#session = { allowed: new Set() };
    try {
      this.#session.pass = (await this.#node.ask({ ask: 'admit', proof })) as number;
    } catch (error) {
      if (!(error instanceof CacheRefusal)) throw error;
      this.#session.refusal = error;
    }
  }

  async #answer(name: string, args: readonly Buffer[]): Promise<Buffer> {
    this.#node.count('requests');
    this.#node.count(`requests.${name}`);
    try {
      return await handlers[name]!(this.#node, args, this.#session);
    } catch (error) {
      if (!(error instanceof CacheRefusal)) throw error;
      this.#node.count('refused');
      this.#node.count(error.status >= 500 ? 'refused.faults' : 'refused.errors');
      if (/Throughput|Throttling/.test(error.code)) this.#node.count('refused.throttled');
      return encodeRefusal(error);
    }
  }
}
