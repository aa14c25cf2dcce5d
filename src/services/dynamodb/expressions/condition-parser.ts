/** Parses condition, filter and key condition expressions ("Condition and filter expressions, operators, and functions"). */
import { compareValues } from './evaluate.ts';
import { type Value, type ValueType, typeOf } from '../values.ts';
import { type Comparator, type Condition, formatPath, type Operand } from './ast.ts';
import { ExpressionParser, samePath } from './parser.ts';
import type { Placeholders } from './placeholders.ts';

const comparators: readonly string[] = ['=', '<>', '<', '<=', '>', '>='];
const typeNames: readonly string[] = ['S', 'N', 'B', 'NULL', 'SS', 'BOOL', 'L', 'BS', 'NS', 'M'];
/** Operands of functions, by name. */
const functionOperands: Readonly<Record<string, number>> = {
  attribute_exists: 1,
  attribute_not_exists: 1,
  attribute_type: 2,
  begins_with: 2,
  contains: 2,
  size: 1,
};
/** "IN": up to 100 values. */
const listMax = 100;
/** Parentheses and NOT within each other; protects the stack. */
const nestingMax = 150;

/** A part in parentheses, or what a function that is no condition by itself gave. */
type Piece = { condition: Condition } | { operand: Operand };

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

  #parseOr(): Condition {
    let left = this.#parseAnd();
    while (this.takeWord('OR')) {
      this.countOperator();
      left = { kind: 'or', left, right: this.#parseAnd() };
    }
    return left;
  }

  #parseAnd(): Condition {
    let left = this.#parseNot();
    while (this.takeWord('AND')) {
      this.countOperator();
      left = { kind: 'and', left, right: this.#parseNot() };
    }
    return left;
  }

  #parseNot(): Condition {
    if (!this.takeWord('NOT')) return this.#parseTest();
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
  #parseTest(): Condition {
    if (this.isSymbol('(')) {
      const inner = this.#parseParentheses();
      if ('condition' in inner) return inner.condition;
      return this.#parseRest(inner);
    }
    const first = this.#parsePiece();
    return 'condition' in first && !this.#atOperator() ? first.condition : this.#parseRest(first);
  }

  #parseParentheses(): Piece {
    this.expectSymbol('(');
    const redundant = this.isSymbol('(') && this.#closesTogether();
    const inner = this.#nested<Piece>(() => {
      const start = this.at;
      // An operand in parentheses, as in `(a) = :b`, is told from a condition by what follows it.
      if (!this.isWord('NOT') && !this.isSymbol('(')) {
        const piece = this.#parsePiece();
        if (!('condition' in piece) && this.isSymbol(')')) return piece;
        this.at = start;
      }
      return { condition: this.#parseOr() };
    });
    this.expectSymbol(')');
    if (redundant) this.fault('parens', 'The expression has redundant parentheses;');
    return inner;
  }

  /** Whether the parenthesis here closes just before the one around it: `((a = b))`. */
  #closesTogether(): boolean {
    let open = 0;
    for (let at = this.at; at < this.tokens.length; at++) {
      const { kind, text } = this.tokens[at]!;
      if (kind !== 'symbol') continue;
      if (text === '(') open++;
      if (text === ')') open--;
      if (open === 0) return this.tokens[at + 1]?.text === ')' && this.tokens[at + 1]?.kind === 'symbol';
    }
    return false;
  }

  #atOperator(): boolean {
    const { kind, text } = this.peek;
    return (kind === 'symbol' && comparators.includes(text)) || this.isWord('BETWEEN') || this.isWord('IN');
  }

  /** What follows a first operand. */
  #parseRest(first: Piece): Condition {
    const left = this.#operandOf(first);
    const { kind, text } = this.peek;
    if (kind === 'symbol' && comparators.includes(text)) {
      this.at++;
      this.countOperator();
      const right = this.#parseOperand();
      this.#checkDistinct(text, left, right);
      this.#checkOrderable(text, [left, right]);
      return { kind: 'compare', operator: text as Comparator, left, right };
    }
    if (this.takeWord('BETWEEN')) return this.#parseBetween(left);
    if (this.takeWord('IN')) return this.#parseIn(left);
    if (left.kind !== 'size') throw this.unexpected();
    this.fault('misusedFunction', 'The function is not allowed to be used this way in an expression; function: size');
    return { kind: 'always' };
  }

  #parseBetween(of: Operand): Condition {
    this.countOperator();
    const low = this.#parseOperand();
    if (!this.takeWord('AND')) throw this.unexpected();
    const high = this.#parseOperand();
    this.#checkOrderable('BETWEEN', [low, high]);
    if (low.kind === 'value' && high.kind === 'value') this.#checkBounds(low.value, high.value);
    return { kind: 'between', of, low, high };
  }

  #checkBounds(low: Value, high: Value): void {
    const bounds = `lower bound operand: AttributeValue: ${describeValue(low)}, upper bound operand: AttributeValue: ${describeValue(high)}`;
    if (typeOf(low) !== typeOf(high))
      this.fault('type', `The BETWEEN operator requires same data type for lower and upper bounds; ${bounds}`);
    else if ((compareValues(low, high) ?? 0) > 0)
      this.fault('type', `The BETWEEN operator requires upper bound to be greater than or equal to lower bound; ${bounds}`);
  }

  #parseIn(of: Operand): Condition {
    this.countOperator();
    this.expectSymbol('(');
    const list = [this.#parseOperand()];
    while (this.takeSymbol(',')) list.push(this.#parseOperand());
    this.expectSymbol(')');
    if (list.length > listMax) this.wrongCount('IN', list.length);
    return { kind: 'in', of, list };
  }

  #parseOperand(): Operand {
    if (this.takeSymbol('(')) {
      const inner = this.#nested(() => this.#parseOperand());
      this.expectSymbol(')');
      return inner;
    }
    return this.#operandOf(this.#parsePiece());
  }

  #operandOf(piece: Piece): Operand {
    if ('operand' in piece) return piece.operand;
    const name = functionName(piece.condition);
    this.fault('misusedFunction', `The function is not allowed to be used this way in an expression; function: ${name}`);
    return { kind: 'path', path: [''] };
  }

  #parsePiece(): Piece {
    const { kind, text } = this.peek;
    if (kind === 'valueRef') return { operand: valueOperand(this.parseValueRef()) };
    const follows = this.tokens[this.at + 1];
    if (kind === 'name' && follows?.kind === 'symbol' && follows.text === '(') return this.#parseFunction(text);
    return { operand: { kind: 'path', path: this.parsePath() } };
  }

  #parseFunction(name: string): Piece {
    this.at += 2;
    this.countOperator();
    const operands: Operand[] = [];
    if (!this.isSymbol(')')) {
      do operands.push(this.#nested(() => this.#parseOperand()));
      while (this.takeSymbol(','));
    }
    this.expectSymbol(')');
    const wanted = Object.hasOwn(functionOperands, name) ? functionOperands[name] : undefined;
    if (wanted === undefined) {
      this.fault('unknownFunction', `Invalid function name; function: ${name}`);
      return { condition: { kind: 'always' } };
    }
    if (wanted !== operands.length) {
      this.wrongCount(name, operands.length);
      return name === 'size' ? { operand: { kind: 'path', path: [''] } } : { condition: { kind: 'always' } };
    }
    return this.#makeFunction(name, operands);
  }

  #makeFunction(name: string, operands: readonly Operand[]): Piece {
    const [first, second] = operands as [Operand, Operand];
    if (second !== undefined) this.#checkDistinct(name, first, second);
    switch (name) {
      case 'attribute_exists':
      case 'attribute_not_exists':
        if (first.kind !== 'path') {
          this.fault('type', `Operator or function requires a document path; operator or function: ${name}`);
          return { condition: { kind: 'always' } };
        }
        return { condition: { kind: 'exists', path: first.path, wanted: name === 'attribute_exists' } };
      case 'size':
        if (first.kind === 'size') this.wrongOperand(name, 'N');
        if (first.kind === 'value' && ['N', 'BOOL', 'NULL'].includes(typeOf(first.value)))
          this.wrongOperand(name, typeOf(first.value));
        return { operand: { kind: 'size', of: first } };
      case 'attribute_type':
        return { condition: { kind: 'type', of: first, type: this.#readTypeName(second) } };
      case 'begins_with':
        for (const operand of operands) {
          const type = operandType(operand);
          if (type !== undefined && type !== 'S' && type !== 'B') this.wrongOperand(name, type);
        }
        return { condition: { kind: 'beginsWith', of: first, prefix: second } };
      default:
        return { condition: { kind: 'contains', of: first, part: second } };
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
      this.fault('type', `Invalid attribute type name found; type: ${name}, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}`);
    return name as ValueType;
  }

  #checkDistinct(operator: string, left: Operand, right: Operand): void {
    if (left.kind !== 'path' || right.kind !== 'path' || !samePath(left.path, right.path)) return;
    this.fault(
      'distinct',
      `The first operand must be distinct from the remaining operands for this operator or function; operator: ${operator}, first operand: ${formatPath(left.path)}`,
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

/** Stands for a value that is not defined: the parse goes on, the error has been noted. */
function valueOperand(value: Value | undefined): Operand {
  return value === undefined ? { kind: 'path', path: [''] } : { kind: 'value', value };
}

function operandType(operand: Operand): ValueType | undefined {
  if (operand.kind === 'size') return 'N';
  return operand.kind === 'value' ? typeOf(operand.value) : undefined;
}

function functionName(condition: Condition): string {
  const names: Partial<Record<Condition['kind'], string>> = {
    type: 'attribute_type',
    beginsWith: 'begins_with',
    contains: 'contains',
  };
  if (condition.kind === 'exists') return condition.wanted ? 'attribute_exists' : 'attribute_not_exists';
  return names[condition.kind] ?? '';
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
