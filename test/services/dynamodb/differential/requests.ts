/** Random requests on a few tables: mostly right, some wrong in one place, so that both the answers and the refusals are compared. */
import type { Chance } from './random.ts';

type Json = Record<string, unknown>;
export interface Request {
  operation: string;
  input: Json;
}

interface TableShape {
  name: string;
  keys: Readonly<Record<string, 'S' | 'N' | 'B'>>;
}

const plain: TableShape = { name: 'plain', keys: { pk: 'S', sk: 'N' } };
const bytes: TableShape = { name: 'bytes', keys: { pk: 'B' } };
const numbers: TableShape = { name: 'numbers', keys: { pk: 'N', sk: 'S' } };

/** The tables by name. */
export const shapes: Readonly<Record<string, TableShape>> = { plain, bytes, numbers };

const key = (hash: string, range?: string) => [
  { AttributeName: hash, KeyType: 'HASH' },
  ...(range === undefined ? [] : [{ AttributeName: range, KeyType: 'RANGE' }]),
];

/** CreateTable of the tables that the requests use. */
export const tables: readonly Json[] = [
  {
    TableName: 'plain',
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      ...[
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'N' },
      ],
      ...[
        { AttributeName: 'l', AttributeType: 'S' },
        { AttributeName: 'g', AttributeType: 'N' },
      ],
    ],
    KeySchema: key('pk', 'sk'),
    LocalSecondaryIndexes: [{ IndexName: 'local', KeySchema: key('pk', 'l'), Projection: { ProjectionType: 'KEYS_ONLY' } }],
    GlobalSecondaryIndexes: [{ IndexName: 'global', KeySchema: key('g', 'l'), Projection: { ProjectionType: 'ALL' } }],
  },
  {
    ...{ TableName: 'bytes', BillingMode: 'PAY_PER_REQUEST', KeySchema: key('pk') },
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'B' }],
  },
  {
    ...{ TableName: 'numbers', BillingMode: 'PAY_PER_REQUEST', KeySchema: key('pk', 'sk') },
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'N' },
      { AttributeName: 'sk', AttributeType: 'S' },
    ],
  },
];

const texts = ['a', 'b', 'ab', 'abc', 'ä', 'z'];
const goodNumbers = [
  '0',
  '1',
  '-1',
  '2',
  '1.5',
  '-2.50',
  '1e2',
  '100',
  '0.001',
  '12345678901234567890123456789012345678',
  '1e125',
  '1e-130',
];
const badNumbers = ['', 'abc', '1e126', '1e-131', '123456789012345678901234567890123456789', '--1', '0x10'];
const binaries = ['', 'AA==', 'AQI=', '/w=='];
const names = ['a', 'b', 'c', 'd', 'l', 'g'];
const reserved = ['name', 'size', 'status'];

/** Makes requests one after another. */
export class Requests {
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  next(): Request {
    const { pick } = bound(this.#chance);
    const table = pick([plain, plain, plain, bytes, numbers]);
    const make = pick([this.#put, this.#put, this.#put, this.#update, this.#update, this.#update, this.#remove, this.#get]).bind(
      this,
    );
    const read = pick([this.#query, this.#scan, this.#batchGet, this.#batchWrite]).bind(this);
    const request = this.#chance.oneIn(3) ? read(table) : make(table);
    return this.#chance.oneIn(25) ? this.#spoil(request) : request;
  }

  /** One member less, or of another kind. */
  #spoil({ operation, input }: Request): Request {
    const name = this.#chance.pick(Object.keys(input));
    const { [name]: _, ...rest } = input;
    if (this.#chance.oneIn(2)) return { operation, input: rest };
    const wrong = this.#chance.pick(['', 'x', 'nowhere', 'ALL_OLD', 'UPDATED_NEW', 'COUNT', 'a = :v', 'SET a = :v', 'a, b']);
    return typeof input[name] === 'string' ? { operation, input: { ...input, [name]: wrong } } : { operation, input: rest };
  }

  #scalar(): Json {
    const { pick, oneIn } = bound(this.#chance);
    const kind = pick(['S', 'S', 'N', 'N', 'B', 'BOOL', 'NULL']);
    if (kind === 'S') return { S: oneIn(12) ? '' : pick(texts) };
    if (kind === 'N') return { N: oneIn(40) ? pick(badNumbers) : pick(goodNumbers) };
    if (kind === 'B') return { B: pick(binaries) };
    return kind === 'BOOL' ? { BOOL: oneIn(2) } : { NULL: !oneIn(30) };
  }

  #value(depth = 0): Json {
    const { pick, oneIn } = bound(this.#chance);
    if (oneIn(60)) return pick<Json>([{}, { S: 'a', N: '1' }, { SS: [] }, { NS: ['1', '1.0'] }, { BS: ['AA==', 'AA=='] }]);
    if (depth > 2 || !oneIn(3)) return this.#scalar();
    const some = <T>(make: () => T): T[] => this.#chance.some(3, make);
    const inner = (): Json => this.#value(depth + 1);
    switch (pick(['SS', 'NS', 'L', 'M'])) {
      case 'SS':
        return { SS: [...new Set([pick(texts), ...some(() => pick(texts))])] };
      case 'NS':
        return { NS: [...new Set([pick(['1', '2', '3']), ...some(() => pick(['1', '2', '3', '-4.5']))])] };
      case 'L':
        return { L: some(inner) };
      default:
        return { M: Object.fromEntries(some(() => [pick([...names, ...reserved]), inner()] as const)) };
    }
  }

  #keyValue(type: 'S' | 'N' | 'B'): Json {
    const { pick, oneIn } = bound(this.#chance);
    if (oneIn(40)) return this.#value();
    if (type === 'S') return { S: pick(['a', 'b', 'c']) };
    return type === 'N' ? { N: pick(['0', '1', '2', '-3', '1.5']) } : { B: pick(['AA==', 'AQI=', '/w==']) };
  }

  #key(table: TableShape): Json {
    const entries = Object.entries(table.keys).map(([name, type]) => [name, this.#keyValue(type)] as const);
    if (this.#chance.oneIn(50)) entries.pop();
    if (this.#chance.oneIn(50)) entries.push(['other', { S: 'x' }]);
    return Object.fromEntries(entries);
  }

  #item(table: TableShape): Json {
    const others = this.#chance.some(4, () => {
      const name = this.#chance.pick([...names, ...reserved]);
      // Keys of indexes are of their types most of the time.
      const typed = this.#chance.oneIn(15)
        ? undefined
        : name === 'l'
          ? ('S' as const)
          : name === 'g'
            ? ('N' as const)
            : undefined;
      return [name, typed === undefined ? this.#value() : this.#keyValue(typed)] as const;
    });
    return { ...Object.fromEntries(others), ...this.#key(table) };
  }

  #common(): Json {
    const { pick, oneIn } = bound(this.#chance);
    return oneIn(3) ? { ReturnConsumedCapacity: pick(['TOTAL', 'INDEXES', 'NONE']) } : {};
  }

  #condition(words: Words): Json {
    return this.#chance.oneIn(3) ? { ConditionExpression: words.condition() } : {};
  }

  #put(table: TableShape): Request {
    const words = new Words(this.#chance, () => this.#value());
    const condition = this.#condition(words);
    const returned = this.#chance.oneIn(3) ? { ReturnValues: this.#chance.pick(['ALL_OLD', 'NONE', 'ALL_OLD', 'ALL_NEW']) } : {};
    const input = {
      TableName: table.name,
      Item: this.#item(table),
      ...this.#common(),
      ...condition,
      ...returned,
      ...words.members(),
    };
    return { operation: 'PutItem', input };
  }

  #remove(table: TableShape): Request {
    const words = new Words(this.#chance, () => this.#value());
    const condition = this.#condition(words);
    const returned = this.#chance.oneIn(3) ? { ReturnValues: this.#chance.pick(['ALL_OLD', 'NONE']) } : {};
    const input = {
      TableName: table.name,
      Key: this.#key(table),
      ...this.#common(),
      ...condition,
      ...returned,
      ...words.members(),
    };
    return { operation: 'DeleteItem', input };
  }

  #update(table: TableShape): Request {
    const words = new Words(this.#chance, () => this.#value());
    const UpdateExpression = words.update();
    const condition = this.#condition(words);
    const ReturnValues = this.#chance.pick(['ALL_OLD', 'NONE', 'ALL_NEW', 'UPDATED_OLD', 'UPDATED_NEW']);
    const input = {
      TableName: table.name,
      Key: this.#key(table),
      UpdateExpression,
      ...this.#common(),
      ...condition,
      ReturnValues,
    };
    return { operation: 'UpdateItem', input: { ...input, ...words.members() } };
  }

  #projection(words: Words): Json {
    return this.#chance.oneIn(3) ? { ProjectionExpression: words.projection() } : {};
  }

  #get(table: TableShape): Request {
    const words = new Words(this.#chance, () => this.#value());
    const projection = this.#projection(words);
    const consistent = this.#chance.oneIn(3) ? { ConsistentRead: true } : {};
    const input = {
      TableName: table.name,
      Key: this.#key(table),
      ...this.#common(),
      ...consistent,
      ...projection,
      ...words.members(),
    };
    return { operation: 'GetItem', input };
  }

  #page(table: TableShape, words: Words): Json {
    const { oneIn, pick } = bound(this.#chance);
    return {
      ...(oneIn(3) ? { FilterExpression: words.condition() } : {}),
      ...this.#projection(words),
      ...(oneIn(4) ? { Limit: pick([1, 2, 3, 0]) } : {}),
      ...(oneIn(6) ? { Select: pick(['COUNT', 'ALL_ATTRIBUTES', 'ALL_PROJECTED_ATTRIBUTES', 'SPECIFIC_ATTRIBUTES']) } : {}),
      ...(oneIn(8) ? { ConsistentRead: true } : {}),
      ...(oneIn(10) ? { ExclusiveStartKey: this.#key(table) } : {}),
    };
  }

  #query(table: TableShape): Request {
    const { oneIn, pick } = bound(this.#chance);
    const words = new Words(this.#chance, () => this.#value());
    const index = table === plain ? pick([undefined, undefined, 'local', 'global']) : undefined;
    const [hash, range] =
      index === 'global' ? (['g', 'l'] as const) : index === 'local' ? (['pk', 'l'] as const) : (['pk', 'sk'] as const);
    const types: Readonly<Record<string, 'S' | 'N' | 'B'>> = { ...table.keys, l: 'S', g: 'N' };
    const value = (name: string): string => words.value(this.#keyValue(types[name] ?? 'S'));
    const ranges = [
      () => `${range} ${pick(['=', '<', '<=', '>', '>='])} ${value(range)}`,
      () => `${range} BETWEEN ${value(range)} AND ${value(range)}`,
      () => `begins_with(${range}, ${value(range)})`,
    ];
    const condition = `${hash} = ${value(hash)}${oneIn(2) ? '' : ` AND ${pick(ranges)()}`}`;
    const input = {
      TableName: table.name,
      ...(index === undefined ? {} : { IndexName: index }),
      KeyConditionExpression: oneIn(30) ? words.noise(condition) : condition,
      ...(oneIn(3) ? { ScanIndexForward: false } : {}),
      ...this.#common(),
      ...this.#page(table, words),
    };
    return { operation: 'Query', input: { ...input, ...words.members() } };
  }

  #scan(table: TableShape): Request {
    const { oneIn, pick } = bound(this.#chance);
    const words = new Words(this.#chance, () => this.#value());
    const input = {
      TableName: table.name,
      ...(table === plain && oneIn(4) ? { IndexName: pick(['local', 'global', 'none']) } : {}),
      ...(oneIn(8) ? { Segment: pick([0, 1, 3]), TotalSegments: pick([1, 2, 3]) } : {}),
      ...this.#common(),
      ...this.#page(table, words),
    };
    return { operation: 'Scan', input: { ...input, ...words.members() } };
  }

  #batchGet(table: TableShape): Request {
    const words = new Words(this.#chance, () => this.#value());
    const Keys = [this.#key(table), ...this.#chance.some(3, () => this.#key(table))];
    const each = { Keys, ...this.#projection(words), ...words.members() };
    return { operation: 'BatchGetItem', input: { RequestItems: { [table.name]: each }, ...this.#common() } };
  }

  #batchWrite(table: TableShape): Request {
    const write = (): Json =>
      this.#chance.oneIn(4) ? { DeleteRequest: { Key: this.#key(table) } } : { PutRequest: { Item: this.#item(table) } };
    return {
      operation: 'BatchWriteItem',
      input: { RequestItems: { [table.name]: [write(), ...this.#chance.some(3, write)] }, ...this.#common() },
    };
  }
}

/** Methods of chance that may be taken out of it. */
function bound(chance: Chance): { pick: <T>(list: readonly T[]) => T; oneIn: (count: number) => boolean } {
  return { pick: (list) => chance.pick(list), oneIn: (count) => chance.oneIn(count) };
}

/** Expressions and the placeholders that they use. */
class Words {
  readonly #chance: Chance;
  readonly #make: () => Json;
  readonly #names: Record<string, string> = {};
  readonly #values: Record<string, Json> = {};

  constructor(chance: Chance, make: () => Json) {
    this.#chance = chance;
    this.#make = make;
  }

  members(): Json {
    const { oneIn } = bound(this.#chance);
    if (oneIn(80)) this.#values[':unused'] = { S: 'x' };
    if (oneIn(80)) this.#names['#unused'] = 'x';
    return {
      ...(Object.keys(this.#names).length > 0 ? { ExpressionAttributeNames: this.#names } : {}),
      ...(Object.keys(this.#values).length > 0 ? { ExpressionAttributeValues: this.#values } : {}),
    };
  }

  value(given: Json = this.#make()): string {
    if (this.#chance.oneIn(100)) return ':missing';
    const name = `:v${Object.keys(this.#values).length}`;
    this.#values[name] = given;
    return name;
  }

  #path(): string {
    const { pick, oneIn } = bound(this.#chance);
    const part = (): string => {
      const name = pick([...names, ...names, ...reserved, 'pk', 'sk']);
      if (reserved.includes(name) ? oneIn(15) : !oneIn(5)) return name;
      this.#names[`#${name}`] = name;
      return `#${name}`;
    };
    let path = part();
    while (oneIn(4)) path += oneIn(2) ? `.${part()}` : `[${this.#chance.below(3)}]`;
    return path;
  }

  #operand(): string {
    const { pick } = bound(this.#chance);
    return pick([() => this.#path(), () => this.#path(), () => this.value(), () => `size(${this.#path()})`])();
  }

  condition(depth = 0): string {
    const { pick, oneIn } = bound(this.#chance);
    const leaf = (): string =>
      pick([
        () => `${this.#operand()} ${pick(['=', '<>', '<', '<=', '>', '>='])} ${this.#operand()}`,
        () => `attribute_exists(${this.#path()})`,
        () => `attribute_not_exists(${this.#path()})`,
        () => `attribute_type(${this.#path()}, ${this.value({ S: pick(['S', 'N', 'SS', 'L', 'BOOL', 'x']) })})`,
        () => `begins_with(${this.#path()}, ${this.value(oneIn(5) ? undefined : { S: pick(texts) })})`,
        () => `contains(${this.#path()}, ${this.#operand()})`,
        () => `${this.#operand()} BETWEEN ${this.value()} AND ${this.value()}`,
        () => `${this.#operand()} IN (${[this.value(), ...this.#chance.some(2, () => this.value())].join(', ')})`,
      ])();
    let text = leaf();
    if (depth < 2 && oneIn(3)) text = `${text} ${pick(['AND', 'OR', 'and', 'oR'])} ${this.condition(depth + 1)}`;
    if (oneIn(6)) text = `NOT ${text}`;
    if (oneIn(5)) text = `(${text})`;
    return depth === 0 && oneIn(40) ? this.noise(text) : text;
  }

  update(): string {
    const { pick, oneIn } = bound(this.#chance);
    const term = (): string =>
      pick([
        () => this.value(),
        () => this.value(),
        () => this.#path(),
        () => `if_not_exists(${this.#path()}, ${this.value()})`,
        () => `list_append(${this.#path()}, ${this.value({ L: [this.#make()] })})`,
      ])();
    const set = (): string => {
      const sum = oneIn(4) ? ` ${pick(['+', '-'])} ${this.value({ N: pick(goodNumbers) })}` : '';
      return `${this.#path()} = ${term()}${sum}`;
    };
    const sets = [{ SS: ['a', 'b'] }, { NS: ['1', '2'] }, { N: '5' }, { S: 'a' }];
    const clauses: readonly (readonly [string, () => string])[] = [
      ['SET', set],
      ['SET', set],
      ['REMOVE', () => this.#path()],
      ['ADD', () => `${this.#path()} ${this.value(pick(sets))}`],
      ['DELETE', () => `${this.#path()} ${this.value(pick(sets))}`],
    ];
    const [word, make] = pick(clauses);
    let text = `${word} ${[make(), ...this.#chance.some(2, make)].join(', ')}`;
    if (oneIn(4)) {
      const [other, another] = pick(clauses);
      text += ` ${other} ${another()}`;
    }
    return oneIn(40) ? this.noise(text) : text;
  }

  projection(): string {
    const text = [this.#path(), ...this.#chance.some(2, () => this.#path())].join(', ');
    return this.#chance.oneIn(30) ? this.noise(text) : text;
  }

  /** The same with one word left out, doubled, or strange. */
  noise(text: string): string {
    const words = text.split(' ');
    const at = this.#chance.below(words.length);
    const strange = this.#chance.pick(['', `${words[at]} ${words[at]}`, '!', '=', ')', '"x"', ',', 'AND', '#', ':', '1']);
    words[at] = strange;
    return words.join(' ');
  }
}
