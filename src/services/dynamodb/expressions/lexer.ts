/** Tokens of DynamoDB's expressions, and the words of its syntax errors, which show the token with its neighbours. */

export type TokenKind = 'keyword' | 'name' | 'nameRef' | 'valueRef' | 'integer' | 'symbol' | 'bad' | 'end';

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

const token = /\s*(?:([a-zA-Z][a-zA-Z0-9_]*)|(#[a-zA-Z0-9_]+)|(:[a-zA-Z0-9_]+)|(0|[1-9]\d*)|(<>|<=|>=|[=<>()[\],.+-])|([\s\S]))/y;
const kinds: readonly TokenKind[] = ['name', 'nameRef', 'valueRef', 'integer', 'symbol', 'bad'];
/** Words of the grammar, in any case, in whatever kind of expression: none of them is ever a name. */
const keyword = /^(?:AND|OR|NOT|BETWEEN|IN|SET|REMOVE|ADD|DELETE)$/i;
/** "Expression parameters": 4 KB for one expression. */
const expressionBytesMax = 4096;

/** Tokens of an expression, with an end token last. Throws ExpressionError for an empty or overlong one, or a character of no token. */
export function tokenise(text: string): Token[] {
  if (text === '') throw new ExpressionError('The expression can not be empty;');
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
    const kind = keyword.test(found) ? 'keyword' : kinds[at - 1]!;
    tokens.push({ kind, text: found, start: end - found.length, end });
  }
  tokens.push({ kind: 'end', text: '<EOF>', start: text.length, end: text.length });
  return tokens;
}

/** The error at a token. AWS shows it with the token before and the one after; blanks at both ends of the expression belong to what is near. */
export function syntaxError(text: string, tokens: readonly Token[], at: number): ExpressionError {
  const found = tokens[at]!;
  const near = text.slice(tokens[at - 1]?.start ?? 0, (tokens[at + 1] ?? found).end);
  return new ExpressionError(`Syntax error; token: "${found.text}", near: "${near}"`);
}
