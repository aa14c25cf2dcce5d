/** Parses update expressions ("Update expressions"). */
import { type Value, type ValueType, typeOf } from '../values.ts';
import type { Path, SetValue, UpdateAction } from './ast.ts';
import { ExpressionParser } from './parser.ts';
import type { Placeholders } from './placeholders.ts';

const sections = ['SET', 'REMOVE', 'ADD', 'DELETE'] as const;
type Section = (typeof sections)[number];

/** Names of types in messages about operators. */
const typeWords: Record<ValueType, string> = {
  S: 'STRING',
  N: 'NUMBER',
  B: 'BINARY',
  NULL: 'NULL',
  BOOL: 'BOOLEAN',
  L: 'LIST',
  M: 'MAP',
  SS: 'SS',
  NS: 'NS',
  BS: 'BS',
};
const nestingMax = 150;

/** Parses; throws ExpressionError. Actions keep the order in which they are written. */
export function parseUpdate(text: string, placeholders: Placeholders): UpdateAction[] {
  return new UpdateParser(text, placeholders).parse();
}

class UpdateParser extends ExpressionParser {
  readonly #actions: UpdateAction[] = [];
  readonly #paths: Path[] = [];
  #depth = 0;

  parse(): UpdateAction[] {
    const seen = new Set<Section>();
    do {
      const section = sections.find((word) => this.isWord(word));
      if (section === undefined) throw this.unexpected();
      this.at++;
      if (seen.has(section)) this.fault('section', `The "${section}" section can only be used once in an update expression;`);
      seen.add(section);
      do this.#parseAction(section);
      while (this.takeSymbol(','));
    } while (this.peek.kind !== 'end');
    this.finish();
    return this.#actions;
  }

  #parseAction(section: Section): void {
    const path = this.parsePath();
    this.checkOverlap(this.#paths, path);
    this.#paths.push(path);
    if (section === 'REMOVE') {
      this.#actions.push({ kind: 'remove', path });
    } else if (section === 'SET') {
      this.expectSymbol('=');
      this.#actions.push({ kind: 'set', path, value: this.#parseSetValue() });
    } else {
      if (this.peek.kind !== 'valueRef') throw this.unexpected();
      const value = this.parseValueRef();
      if (value === undefined) return;
      this.#checkSetOperand(section, value);
      this.#actions.push({ kind: section === 'ADD' ? 'add' : 'delete', path, value });
    }
  }

  #checkSetOperand(section: 'ADD' | 'DELETE', value: Value): void {
    const type = typeOf(value);
    if (type === 'SS' || type === 'NS' || type === 'BS' || (section === 'ADD' && type === 'N')) return;
    this.fault(
      'type',
      `Incorrect operand type for operator or function; operator: ${section}, operand type: ${typeWords[type]}, typeSet: ALLOWED_FOR_${section}_OPERAND`,
    );
  }

  #parseSetValue(): SetValue {
    const left = this.#parseTerm();
    for (const [symbol, sign] of [
      ['+', 1],
      ['-', -1],
    ] as const) {
      if (!this.takeSymbol(symbol)) continue;
      this.countOperator();
      const right = this.#parseTerm();
      for (const operand of [left, right]) this.#checkImmediate(symbol, operand, 'N');
      return { kind: 'sum', sign, left, right };
    }
    return left;
  }

  #parseTerm(): SetValue {
    if (this.isSymbol('(')) {
      this.at++;
      this.#depth++;
      if (this.#depth > nestingMax) throw this.unexpected();
      const inner = this.#parseSetValue();
      this.#depth--;
      this.expectSymbol(')');
      return inner;
    }
    const { kind, text } = this.peek;
    if (kind === 'valueRef') {
      const value = this.parseValueRef();
      return value === undefined ? { kind: 'path', path: [''] } : { kind: 'value', value };
    }
    const follows = this.tokens[this.at + 1];
    if (kind === 'name' && follows?.kind === 'symbol' && follows.text === '(') return this.#parseFunction(text);
    return { kind: 'path', path: this.parsePath() };
  }

  #parseFunction(name: string): SetValue {
    this.at += 2;
    this.countOperator();
    const operands: SetValue[] = [];
    this.#depth++;
    if (this.#depth > nestingMax) throw this.unexpected();
    if (!this.isSymbol(')')) {
      do operands.push(this.#parseSetValue());
      while (this.takeSymbol(','));
    }
    this.#depth--;
    this.expectSymbol(')');
    if (name !== 'if_not_exists' && name !== 'list_append') {
      this.fault('unknownFunction', `Invalid function name; function: ${name}`);
      return { kind: 'path', path: [''] };
    }
    if (operands.length !== 2) {
      this.wrongCount(name, operands.length);
      return { kind: 'path', path: [''] };
    }
    const [left, right] = operands as [SetValue, SetValue];
    if (name === 'if_not_exists') {
      if (left.kind !== 'path')
        this.fault('type', `Operator or function requires a document path; operator or function: ${name}`);
      return { kind: 'ifNotExists', path: left.kind === 'path' ? left.path : [''], otherwise: right };
    }
    for (const operand of [left, right]) this.#checkImmediate(name, operand, 'L');
    return { kind: 'append', left, right };
  }

  /** A value written out must be of the operator's type; what paths lead to is seen when the update is applied. */
  #checkImmediate(operator: string, operand: SetValue, wanted: ValueType): void {
    if (operand.kind !== 'value') return;
    const type = typeOf(operand.value);
    if (type !== wanted) this.wrongOperand(operator, type);
  }
}
