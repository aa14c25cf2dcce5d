/** Parses condition, filter and key condition expressions ("Condition and filter expressions, operators, and functions"). */
import { compareValues } from './evaluate.ts';
import { type Value, type ValueType, typeOf } from '../values.ts';
import { type Comparator, type Condition, formatPath, type Operand } from './ast.ts';
import { ExpressionParser, samePath } from './parser.ts';
import type { Placeholders } from './placeholders.ts';

const comparators: readonly string[] = ['=', '<>', '<', '<=', '>', '>='];
const typeNames: readonly string[] = ['S', 'N', 'B', 'NULL', 'SS', 'BOOL', 'L', 'BS', 'NS', 'M'];
/** "IN": up to 100 values. */
const listMax = 100;
/** Parentheses, functions and NOT within each other; protects the stack. Deeper ones have more than 300 operators, or are redundant. */
const nestingMax = 700;

/** A part of a condition: an operand, or a condition; `call` when that is nothing but a function. */
type Piece = { operand: Operand } | { condition: Condition; call?: { name: string; at: number } | undefined };
/** A piece, and whether all of it is in parentheses. */
type Wrapped = { piece: Piece; wrapped: boolean };

/** Parses; throws ExpressionError. */
export function parseCondition(text: string, placeholders: Placeholders): Condition {
  return new ConditionParser(text, placeholders).parse();
}

class ConditionParser extends ExpressionParser {
  #depth = 0;

  parse(): Condition {
    const condition = this.#parseOr();
    this.finish();
    return condition;
  }

  /** `start` is a first test that has been read already. */
  #parseOr(start?: Condition): Condition {
    let left = this.#parseAnd(start);
    while (this.takeWord('OR')) {
      this.countOperator();
      left = { kind: 'or', left, right: this.#parseAnd() };
    }
    return left;
  }

  #parseAnd(start?: Condition): Condition {
    let left = start ?? this.#parseNot();
    while (this.takeWord('AND')) {
      this.countOperator();
      left = { kind: 'and', left, right: this.#parseNot() };
    }
    return left;
  }

  #parseNot(): Condition {
    if (!this.takeWord('NOT')) return this.#parseTest().condition;
    this.countOperator();
    return { kind: 'not', of: this.#nested(() => this.#parseNot()) };
  }

  #nested<T>(parse: () => T): T {
    this.#depth++;
    if (this.#depth > nestingMax) throw this.unexpected();
    const result = parse();
    this.#depth--;
    return result;
  }

  /** A comparison, BETWEEN, IN, a function, or parentheses around a condition. */
  #parseTest(): { condition: Condition; wrapped: boolean } {
    const start = this.at;
    const { piece, wrapped } = this.isSymbol('(') ? this.#parseParentheses() : { piece: this.#parsePiece(), wrapped: false };
    if ('condition' in piece && (piece.call === undefined || !this.#atOperator())) return { condition: piece.condition, wrapped };
    return { condition: this.#parseRest(piece, start), wrapped: false };
  }

  /** Parentheses around an operand, as in `(a) = :b`, or around a condition, which is told by what follows it. */
  #parseParentheses(): Wrapped {
    this.expectSymbol('(');
    const { piece, wrapped } = this.#nested((): Wrapped => {
      const start = this.at;
      if (this.isWord('NOT')) return { piece: { condition: this.#parseOr() }, wrapped: false };
      const first: Wrapped = this.isSymbol('(') ? this.#parseParentheses() : { piece: this.#parsePiece(), wrapped: false };
      if (this.isSymbol(')')) return first;
      const isTest = 'condition' in first.piece && (first.piece.call === undefined || !this.#atOperator());
      const test = isTest ? (first.piece as { condition: Condition }).condition : this.#parseRest(first.piece, start);
      return { piece: { condition: this.#parseOr(test) }, wrapped: false };
    });
    this.closeParentheses(wrapped);
    return { piece, wrapped: true };
  }

  #atOperator(): boolean {
    const { kind, text } = this.peek;
    return (kind === 'symbol' && comparators.includes(text)) || this.isWord('BETWEEN') || this.isWord('IN');
  }

  /** What follows a first operand, which began at a token. */
  #parseRest(first: Piece, start: number): Condition {
    const left = this.#operandOf(first);
    const { kind, text } = this.peek;
    if (kind === 'symbol' && comparators.includes(text)) {
      this.at++;
      this.countOperator();
      const right = this.#parseOperand();
      this.#checkDistinct(text, left, [right]);
      this.#checkOrderable(text, [left, right]);
      return { kind: 'compare', operator: text as Comparator, left, right };
    }
    if (this.takeWord('BETWEEN')) return this.#parseBetween(left);
    if (this.takeWord('IN')) return this.#parseIn(left);
    if (left.kind !== 'size') throw this.unexpected();
    this.misused('size', start);
    return { kind: 'always' };
  }

  #parseBetween(of: Operand): Condition {
    this.countOperator();
    const low = this.#parseOperand();
    if (!this.takeWord('AND')) throw this.unexpected();
    const high = this.#parseOperand();
    this.#checkDistinct('BETWEEN', of, [low, high]);
    this.#checkOrderable('BETWEEN', [of, low, high]);
    if (low.kind === 'value' && high.kind === 'value') this.#checkBounds(low.value, high.value);
    return { kind: 'between', of, low, high };
  }

  #checkBounds(low: Value, high: Value): void {
    const bounds = `lower bound operand: AttributeValue: ${describeValue(low)}, upper bound operand: AttributeValue: ${describeValue(high)}`;
    if (typeOf(low) !== typeOf(high))
      this.wrongMeaning(`The BETWEEN operator requires same data type for lower and upper bounds; ${bounds}`);
    else if ((compareValues(low, high) ?? 0) > 0)
      this.wrongMeaning(`The BETWEEN operator requires upper bound to be greater than or equal to lower bound; ${bounds}`);
  }

  #parseIn(of: Operand): Condition {
    this.countOperator();
    this.expectSymbol('(');
    const list = [this.#parseOperand()];
    while (this.takeSymbol(',')) list.push(this.#parseOperand());
    this.expectSymbol(')');
    this.#checkDistinct('IN', of, list);
    if (list.length > listMax)
      this.wrongMeaning(`The IN operator is provided with too many operands; number of operands: ${list.length}`);
    return { kind: 'in', of, list };
  }

  #parseOperand(): Operand {
    return this.#parseWrapped().operand;
  }

  #parseWrapped(): { operand: Operand; wrapped: boolean } {
    if (!this.takeSymbol('(')) return { operand: this.#operandOf(this.#parsePiece()), wrapped: false };
    const { operand, wrapped } = this.#nested(() => this.#parseWrapped());
    this.closeParentheses(wrapped);
    return { operand, wrapped: true };
  }

  #operandOf(piece: Piece): Operand {
    if ('operand' in piece) return piece.operand;
    if (piece.call === undefined) throw this.unexpected();
    this.misused(piece.call.name, piece.call.at);
    return nothing;
  }

  #parsePiece(): Piece {
    if (this.peek.kind === 'valueRef') {
      const value = this.parseValueRef();
      return { operand: value === undefined ? nothing : { kind: 'value', value } };
    }
    return this.calls ? this.#nested(() => this.#parseFunction()) : { operand: { kind: 'path', path: this.parsePath() } };
  }

  #parseFunction(): Piece {
    const { name, at, operands } = this.parseCall('condition', () => this.#parseOperand());
    // What is wrong with the call has been noted.
    if (operands !== undefined) return this.#makeFunction(name, at, operands);
    return name === 'size' ? { operand: { kind: 'size', of: nothing } } : { condition: { kind: 'always' }, call: { name, at } };
  }

  #makeFunction(name: string, at: number, operands: readonly Operand[]): Piece {
    const [first, second] = operands as [Operand, Operand];
    const call = { name, at };
    this.#checkDistinct(name, first, operands.slice(1));
    switch (name) {
      case 'attribute_exists':
      case 'attribute_not_exists':
        if (first.kind !== 'path') {
          this.wrongMeaning(`Operator or function requires a document path; operator or function: ${name}`);
          return { condition: { kind: 'always' }, call };
        }
        return { condition: { kind: 'exists', path: first.path, wanted: name === 'attribute_exists' }, call };
      case 'size':
        if (first.kind === 'size') this.wrongOperand(name, 'N');
        if (first.kind === 'value' && ['N', 'BOOL', 'NULL'].includes(typeOf(first.value)))
          this.wrongOperand(name, typeOf(first.value));
        return { operand: { kind: 'size', of: first } };
      case 'attribute_type':
        return { condition: { kind: 'type', of: first, type: this.#readTypeName(second) }, call };
      case 'begins_with':
        for (const operand of operands) {
          const type = operandType(operand);
          if (type !== undefined && type !== 'S' && type !== 'B') this.wrongOperand(name, type);
        }
        return { condition: { kind: 'beginsWith', of: first, prefix: second }, call };
      default:
        return { condition: { kind: 'contains', of: first, part: second }, call };
    }
  }

  #readTypeName(operand: Operand): ValueType {
    const type = operandType(operand);
    if (operand.kind !== 'value' || type !== 'S') {
      this.wrongOperand('attribute_type', type ?? '{NS,SS,L,BS,N,M,B,BOOL,NULL,S}');
      return 'S';
    }
    const name = operand.value.S ?? '';
    if (!typeNames.includes(name))
      this.wrongMeaning(`Invalid attribute type name found; type: ${name}, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}`);
    return name as ValueType;
  }

  #checkDistinct(operator: string, first: Operand, rest: readonly Operand[]): void {
    if (first.kind !== 'path' || !rest.some((operand) => operand.kind === 'path' && samePath(first.path, operand.path))) return;
    this.wrongMeaning(
      `The first operand must be distinct from the remaining operands for this operator or function; operator: ${operator}, first operand: ${formatPath(first.path)}`,
    );
  }

  /** Order is defined for strings, numbers and binary only. */
  #checkOrderable(operator: string, operands: readonly Operand[]): void {
    if (operator === '=' || operator === '<>') return;
    for (const operand of operands) {
      const type = operandType(operand);
      if (type !== undefined && type !== 'S' && type !== 'N' && type !== 'B') this.wrongOperand(operator, type);
    }
  }
}

/** Stands for what is not defined: the parse goes on, the error has been noted. */
const nothing: Operand = { kind: 'path', path: [''] };

function operandType(operand: Operand): ValueType | undefined {
  if (operand.kind === 'size') return 'N';
  return operand.kind === 'value' ? typeOf(operand.value) : undefined;
}

/** A value as AWS's messages show it. */
function describeValue(value: Value): string {
  const type = typeOf(value);
  return `{${type}:${describeContent(value[type])}}`;
}

function describeContent(content: unknown): string {
  if (Array.isArray(content))
    return `[${content.map((entry) => (typeof entry === 'string' ? entry : describeValue(entry as Value))).join(', ')}]`;
  if (typeof content !== 'object' || content === null) return String(content);
  return `{${Object.entries(content)
    .map(([name, entry]) => `${name}=${describeValue(entry as Value)}`)
    .join(', ')}}`;
}
