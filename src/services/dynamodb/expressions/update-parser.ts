/** Parses update expressions ("Update expressions"). */
import { type Value, type ValueType, typeOf } from '../values.ts';
import type { SetValue, UpdateAction } from './ast.ts';
import { ExpressionError } from './lexer.ts';
import { ExpressionParser, type PathRead } from './parser.ts';
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
/** Parentheses and functions within each other; protects the stack. More than 300 of them have too many operators, or are redundant. */
const nestingMax = 400;

/** Stands for what is not defined: the parse goes on, the error has been noted. */
const nothing: SetValue = { kind: 'path', path: [''] };

/** Parses; throws ExpressionError. Actions keep the order in which they are written. */
export function parseUpdate(text: string, placeholders: Placeholders): UpdateAction[] {
  return new UpdateParser(text, placeholders).parse();
}

/** An action, and what is wrong with its value. */
interface ActionRead {
  action: UpdateAction | undefined;
  problem: string | undefined;
}

/** A term, and whether all of it is in parentheses. */
interface Term {
  value: SetValue;
  wrapped: boolean;
}

class UpdateParser extends ExpressionParser {
  readonly #actions: ActionRead[] = [];
  readonly #paths: PathRead[] = [];
  #depth = 0;

  parse(): UpdateAction[] {
    const seen = new Set<Section>();
    let twice: Section | undefined;
    do {
      const section = sections.find((word) => this.isWord(word));
      if (section === undefined) throw this.unexpected();
      this.at++;
      if (seen.has(section)) twice ??= section;
      seen.add(section);
      do this.#parseAction(section);
      while (this.takeSymbol(','));
    } while (this.peek.kind !== 'end');
    this.finish(() => this.#checkWhole(twice));
    return this.#actions.map(({ action }) => action!);
  }

  /** All paths before all values; AWS works both through from the last to the first. */
  #checkWhole(twice: Section | undefined): void {
    if (twice !== undefined) throw new ExpressionError(`The "${twice}" section can only be used once in an update expression;`);
    this.checkPaths(this.#paths);
    const problem = this.#actions.findLast((action) => action.problem !== undefined)?.problem;
    if (problem !== undefined) throw new ExpressionError(problem);
  }

  #parseAction(section: Section): void {
    const target = this.readPath();
    const { path } = target;
    this.#paths.push(target);
    const { result: action, problem } = this.apart((): UpdateAction | undefined => {
      if (section === 'REMOVE') return { kind: 'remove', path };
      if (section === 'SET') {
        this.expectSymbol('=');
        return { kind: 'set', path, value: this.#parseSetValue() };
      }
      if (this.peek.kind !== 'valueRef') throw this.unexpected();
      const value = this.parseValueRef();
      if (value === undefined) return undefined;
      this.#checkSetOperand(section, value);
      return { kind: section === 'ADD' ? 'add' : 'delete', path, value };
    });
    this.#actions.push({ action, problem });
  }

  #checkSetOperand(section: 'ADD' | 'DELETE', value: Value): void {
    const type = typeOf(value);
    if (type === 'SS' || type === 'NS' || type === 'BS' || (section === 'ADD' && type === 'N')) return;
    this.wrongMeaning(
      `Incorrect operand type for operator or function; operator: ${section}, operand type: ${typeWords[type]}, typeSet: ALLOWED_FOR_${section}_OPERAND`,
    );
  }

  #parseSetValue(): SetValue {
    return this.#parseSum().value;
  }

  /** One term, or the sum or difference of two; in parentheses, too, but then nothing is added to a sum. */
  #parseSum(): Term {
    const start = this.at;
    const left = this.isSymbol('(') ? this.#inParentheses(() => this.#parseSum()) : this.#parseOperand();
    const sign = left.value.kind === 'sum' ? undefined : this.isSymbol('+') ? 1 : this.isSymbol('-') ? -1 : undefined;
    if (sign === undefined) return left;
    const symbol = this.next().text;
    this.countOperator();
    this.#checkUse(left.value, start);
    const at = this.at;
    const right = this.#parseOperand();
    this.#checkUse(right.value, at);
    for (const operand of [left.value, right.value]) this.#checkImmediate(symbol, operand, 'N');
    return { value: { kind: 'sum', sign, left: left.value, right: right.value }, wrapped: false };
  }

  #inParentheses(parse: () => Term): Term {
    this.expectSymbol('(');
    this.#depth++;
    if (this.#depth > nestingMax) throw this.unexpected();
    const { value, wrapped } = parse();
    this.#depth--;
    this.closeParentheses(wrapped);
    return { value, wrapped: true };
  }

  #parseOperand(): Term {
    if (this.isSymbol('(')) return this.#inParentheses(() => this.#parseOperand());
    if (this.calls) return { value: this.#parseFunction(), wrapped: false };
    if (this.peek.kind !== 'valueRef') return { value: { kind: 'path', path: this.parsePath() }, wrapped: false };
    const value = this.parseValueRef();
    return { value: value === undefined ? nothing : { kind: 'value', value }, wrapped: false };
  }

  /** A list that is appended to cannot be part of anything else. */
  #checkUse(value: SetValue, at: number): void {
    if (value.kind === 'append') this.misused('list_append', at);
  }

  #parseFunction(): SetValue {
    this.#depth++;
    if (this.#depth > nestingMax) throw this.unexpected();
    const { name, operands } = this.parseCall('update', () => {
      const start = this.at;
      const { value } = this.#parseOperand();
      this.#checkUse(value, start);
      return value;
    });
    this.#depth--;
    // What is wrong with the call has been noted; a list_append is still one to what is around it.
    if (operands === undefined) return name === 'list_append' ? { kind: 'append', left: nothing, right: nothing } : nothing;
    const [left, right] = operands as [SetValue, SetValue];
    if (name === 'if_not_exists') {
      if (left.kind !== 'path') this.wrongMeaning(`Operator or function requires a document path; operator or function: ${name}`);
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
