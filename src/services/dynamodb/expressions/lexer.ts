/** Tokens of DynamoDB's expressions, and the words of its syntax errors, which show the token with its neighbours. */

export type TokenKind = 'name' | 'nameRef' | 'valueRef' | 'integer' | 'symbol' | 'bad' | 'end';

export interface Token {
  kind: TokenKind;
  text: string;
  start: number;
  end: number;
}

/** An expression that cannot be. The message lacks the name of the expression, which the caller puts before it. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

const token = /\s*(?:([a-zA-Z][a-zA-Z0-9_]*)|(#[a-zA-Z0-9_]+)|(:[a-zA-Z0-9_]+)|(\d+)|(<>|<=|>=|[=<>()[\],.+-])|([\s\S]))/y;
const kinds: readonly TokenKind[] = ['name', 'nameRef', 'valueRef', 'integer', 'symbol', 'bad'];
/** "Expression parameters": 4 KB for one expression. */
const expressionBytesMax = 4096;

/** Tokens of an expression, with an end token last. Throws ExpressionError for an empty or overlong one, or a character of no token. */
export function tokenise(text: string): Token[] {
  if (text.trim() === '') throw new ExpressionError('The expression can not be empty;');
  const size = Buffer.byteLength(text, 'utf8');
  if (size > expressionBytesMax)
    throw new ExpressionError(`Expression size has exceeded the maximum allowed size; expression size: ${size}`);
  const tokens: Token[] = [];
  const length = text.trimEnd().length;
  token.lastIndex = 0;
  while (token.lastIndex < length) {
    const match = token.exec(text);
    if (match === null) break;
    const at = match.findIndex((part, index) => index > 0 && part !== undefined);
    const found = match[at]!;
    const end = token.lastIndex;
    tokens.push({ kind: kinds[at - 1]!, text: found, start: end - found.length, end });
  }
  tokens.push({ kind: 'end', text: '<EOF>', start: length, end: length });
  return tokens;
}

/** The error at a token. AWS shows it with the token before and the one after. */
export function syntaxError(text: string, tokens: readonly Token[], at: number): ExpressionError {
  const found = tokens[at]!;
  const before = tokens[at - 1];
  const after = tokens[at + 1];
  const start = before?.start ?? found.start;
  const end = after === undefined || after.kind === 'end' ? found.end : after.end;
  return new ExpressionError(`Syntax error; token: "${found.text}", near: "${text.slice(start, end)}"`);
}
