/** The same requests to two servers of DynamoDB's protocol, and where their answers differ. */
import http from 'node:http';
import { signedRequest } from '../../../support/load.ts';
import { type Answer, comparable } from './answers.ts';
import { kindOf, knownFault } from './known.ts';
import { Chance } from './random.ts';
import { type Request, Requests, shapes, tables } from './requests.ts';

type Json = Record<string, unknown>;

export interface Difference extends Request {
  seed: number;
  ours: Answer;
  theirs: Answer;
}

/** A server, asked over one kept connection. */
export class Peer {
  readonly #url: URL;
  readonly #accessKeyId: string;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(endpoint: string, accessKeyId: string) {
    this.#url = new URL(endpoint);
    this.#accessKeyId = accessKeyId;
  }

  ask({ operation, input }: Request): Promise<Answer> {
    const target = `DynamoDB_20120810.${operation}`;
    const { headers, body } = signedRequest(this.#url, 'dynamodb', target, input, this.#accessKeyId);
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url;
      const options = { hostname, port, method: 'POST', agent: this.#agent, headers: Object.fromEntries(headers) };
      const request = http.request(options, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(pieces).toString()) as Json });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  async createTables(wanted: readonly Json[] = tables): Promise<void> {
    for (const input of wanted) {
      await this.ask({ operation: 'CreateTable', input });
      const describe = { operation: 'DescribeTable', input: { TableName: input['TableName'] } };
      for (;;) {
        const { body } = await this.ask(describe);
        if ((body['Table'] as { TableStatus?: string } | undefined)?.TableStatus === 'ACTIVE') break;
      }
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Keys that a write is about, by table. */
function writtenKeys({ operation, input }: Request): (readonly [table: string, item: Json])[] {
  const table = String(input['TableName']);
  if (operation === 'PutItem') return [[table, input['Item'] as Json]];
  if (operation === 'DeleteItem' || operation === 'UpdateItem') return [[table, input['Key'] as Json]];
  if (operation !== 'BatchWriteItem') return [];
  const requests = (input['RequestItems'] ?? {}) as Record<
    string,
    { PutRequest?: { Item: Json }; DeleteRequest?: { Key: Json } }[]
  >;
  return Object.entries(requests).flatMap(([name, writes]) =>
    writes.map(({ PutRequest, DeleteRequest }) => [name, (PutRequest?.Item ?? DeleteRequest?.Key)!] as const),
  );
}

/** Brings the other server's items in line with ours after a write that only one of them made. */
async function align({ ours, theirs }: Peers, request: Request): Promise<void> {
  for (const [TableName, item] of writtenKeys(request)) {
    const names = Object.keys(shapes[TableName]?.keys ?? {});
    if (item === undefined || names.length === 0 || names.some((name) => item[name] === undefined)) continue;
    const Key = Object.fromEntries(names.map((name) => [name, item[name]]));
    const { body, status } = await ours.ask({ operation: 'GetItem', input: { TableName, Key, ConsistentRead: true } });
    if (status !== 200) continue;
    const Item = body['Item'];
    if (Item === undefined) await theirs.ask({ operation: 'DeleteItem', input: { TableName, Key } });
    else await theirs.ask({ operation: 'PutItem', input: { TableName, Item } });
  }
}

export interface Peers {
  ours: Peer;
  theirs: Peer;
}

/** What came of comparing: the differences, and the kinds of refusals on which both have agreed. */
export interface Comparison {
  differences: Difference[];
  agreed: Set<string>;
}

/** Asks both `count` random requests, one after another. */
export async function compare(peers: Peers, seed: number, count: number): Promise<Comparison> {
  const requests = new Requests(new Chance(seed));
  const differences: Difference[] = [];
  const agreed = new Set<string>();
  for (let at = 0; at < count; at++) {
    const request = requests.next();
    const [ours, theirs] = await Promise.all([peers.ours.ask(request), peers.theirs.ask(request)]);
    if (comparable(ours) === comparable(theirs)) {
      agreed.add(kindOf(ours));
      continue;
    }
    differences.push({ ...request, seed, ours, theirs });
    await align(peers, request);
  }
  return { differences, agreed };
}

/**
 * The differences that are not explained: neither a known fault of the other, nor two refusals of which each was agreed on elsewhere, so that only which
 * of two mistakes is told first differs. AWS documents no order for those.
 */
export function unexplained({ differences, agreed }: Comparison): Difference[] {
  return differences.filter((difference) => {
    const [ours, theirs] = [kindOf(difference.ours), kindOf(difference.theirs)];
    const onlyOrder = ours !== 'ok' && theirs !== 'ok' && agreed.has(ours) && agreed.has(theirs);
    return knownFault(difference) === undefined && !onlyOrder;
  });
}
