/** Runs a query over records: what it is from, what it keeps, what it gives, and sums over all. */
import { s3Error } from '../errors.ts';
import { compare, type Data, evaluate, follow, numberOf, type Scope } from './evaluate.ts';
import type { Expression, Query, Step } from './sql.ts';

/** One row of the result: names and values in order, those that are missing left out. A whole record that is no object comes as `_1`. */
export type Row = readonly (readonly [name: string, value: Data])[];

type Aggregate = Expression & { kind: 'aggregate' };

/** Expressions within an expression, itself too. */
function* within(expression: Expression): Generator<Expression> {
  yield expression;
  for (const value of Object.values(expression) as unknown[])
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof one !== 'object' || one === null) continue;
      if ('kind' in one) yield* within(one as Expression);
      else if ('when' in one) {
        const { when, gives } = one as { when: Expression; gives: Expression };
        yield* within(when);
        yield* within(gives);
      }
    }
}

/** Throws for aggregates beside what has one value in each row. */
export function aggregatesOf({ projections, where }: Query): Aggregate[] {
  const isAggregate = (one: Expression): one is Aggregate => one.kind === 'aggregate';
  const invalid = (text: string): Error => s3Error('ParseUnsupportedSyntax', text, 400);
  if (where !== undefined && [...within(where)].some(isAggregate))
    throw invalid('Aggregates are not supported in the WHERE clause.');
  const found = (projections ?? []).map(({ expression }) => [...within(expression)]);
  const all = found.flat().filter(isAggregate);
  if (all.some(({ operand }) => operand !== undefined && [...within(operand)].some(isAggregate)))
    throw invalid('Aggregates of aggregates are not supported.');
  const plain = found.some((list) => !list.some(isAggregate) && list.some(({ kind }) => kind === 'column'));
  if (all.length > 0 && plain) throw invalid('GROUP BY is not supported: aggregates and columns cannot be mixed.');
  return all;
}

/** The values that the query is about in a record: the source's path with its wildcards walked. */
function* sourcesOf(record: Data, path: readonly Step[]): Generator<Data> {
  const [step, ...rest] = path;
  if (step === undefined) yield record;
  else if ('all' in step) {
    const many = step.all === 'elements' ? (Array.isArray(record) ? (record as readonly Data[]) : undefined) : membersOf(record);
    for (const one of many ?? []) yield* sourcesOf(one, rest);
  } else yield* sourcesOf(follow(record, [step]), rest);
}

function membersOf(value: Data): Data[] | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
    ? (Object.values(value) as Data[])
    : undefined;
}

/** The running value of one aggregate. */
class Running {
  readonly of: Aggregate;
  #count = 0;
  #sum = 0;
  #best: Data;

  constructor(of: Aggregate) {
    this.of = of;
  }

  add(scope: Scope): void {
    const { name, operand } = this.of;
    const value = operand === undefined ? true : evaluate(operand, scope);
    if (value === null || value === undefined) return;
    this.#count += 1;
    if (name === 'SUM' || name === 'AVG') this.#sum += this.#number(value);
    if (name === 'MIN' || name === 'MAX') {
      const number = this.#number(value);
      const order = this.#best === undefined ? 0 : (compare(number, this.#best) ?? 0);
      if (this.#best === undefined || (name === 'MIN' ? order < 0 : order > 0)) this.#best = number;
    }
  }

  #number(value: Data): number {
    const number = numberOf(value);
    if (number !== undefined) return number;
    throw s3Error('EvaluatorInvalidArguments', `The aggregate ${this.of.name} takes numbers only.`, 400);
  }

  result(): Data {
    const { name } = this.of;
    if (name === 'COUNT') return this.#count;
    if (this.#count === 0) return null;
    if (name === 'SUM') return this.#sum;
    return name === 'AVG' ? this.#sum / this.#count : this.#best;
  }
}

/** The rows of the result, in the order of the records. Throws what its expressions throw. */
export async function* runQuery(query: Query, records: AsyncIterable<Data>, now: number): AsyncGenerator<Row> {
  const { projections, path, alias, where, limit = Number.POSITIVE_INFINITY } = query;
  const running = aggregatesOf(query).map((one) => new Running(one));
  // `S3Object[*]` is each record, as `S3Object` is: the first wildcard stands for the records of the object.
  const first = path[0];
  const steps = first !== undefined && 'all' in first && first.all === 'elements' ? path.slice(1) : path;
  let given = 0;
  for await (const record of records) {
    if (given >= limit) break;
    for (const source of sourcesOf(record, steps)) {
      const scope: Scope = { record: source, alias, now };
      if (where !== undefined && evaluate(where, scope) !== true) continue;
      for (const one of running) one.add(scope);
      if (running.length > 0) continue;
      if (given >= limit) return;
      given += 1;
      yield projections === undefined ? wholeRow(source) : projectedRow(projections, scope);
    }
  }
  if (running.length === 0 || projections === undefined || limit === 0) return;
  const results = new Map(running.map((one) => [one.of as Expression, one.result()]));
  yield projectedRow(projections, { record: undefined, alias, now, results });
}

function wholeRow(source: Data): Row {
  if (typeof source === 'object' && source !== null && !Array.isArray(source) && !(source instanceof Date))
    return Object.entries(source) as [string, Data][];
  return source === undefined ? [] : [['_1', source]];
}

function projectedRow(projections: NonNullable<Query['projections']>, scope: Scope): Row {
  return projections.flatMap(({ expression, name }, index) => {
    const value = evaluate(expression, scope);
    return value === undefined ? [] : [[name ?? `_${index + 1}`, value] as const];
  });
}
