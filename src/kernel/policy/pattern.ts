/**
 * Text patterns of policies: wildcards, policy variables and the segments of ARNs. A pattern is parsed once into tokens; matching walks
 * the tokens. Rejected: regular expressions, because a hostile pattern (`*a*a*a*…`) takes exponential time there, and at most
 * pattern × text steps here.
 *
 * Sources: IAM User Guide, "IAM JSON policy elements: Resource" (wildcards in ARN segments), "Variables and tags" (syntax, defaults, special
 * characters, where variables are allowed), "Condition operators" (ARN operators compare the six components one by one).
 */

/** Condition keys in lower case to their values. */
export type PolicyContext = ReadonlyMap<string, readonly string[]>;

/** Any run of characters; within its ARN segment only; one character; one character other than a colon. */
const star = 1;
const starInSegment = 2;
const one = 3;
const oneInSegment = 4;
type Wildcard = typeof star | typeof starInSegment | typeof one | typeof oneInSegment;

interface Variable {
  key: string;
  fallback: string | undefined;
}

/** Literal text, a wildcard, or a variable to be replaced. */
type Token = string | Wildcard | Variable;
type Resolved = string | Wildcard;

/**
 * How a pattern is read. `text`: wildcards match anything. `literal`: no wildcards. `resource`: an ARN in a Resource element; `*` crosses a colon
 * only as the last character of its segment, variables stand only after the fifth colon. `arn`: an ARN in a condition; wildcards stay within
 * their component but for the last one.
 */
export type PatternMode = 'text' | 'literal' | 'resource' | 'arn';

export interface Pattern {
  /** Whether `text` matches. False, too, when a variable has no value in `context`: a pattern that cannot be resolved matches nothing. */
  matches(text: string, context: PolicyContext): boolean;
  /**
   * Whether all variables have a value. Where a match is wanted `matches` says enough; where its absence is (NotResource, negated operators), a
   * variable without a value makes the whole statement void ("any attempt to match it fails and causes the statement to be invalid").
   */
  resolves(context: PolicyContext): boolean;
}

const arnColons = 5;

/** Index of the brace that closes `${` at `start`, or -1. */
function variableEnd(text: string, start: number): number {
  return text.startsWith('${', start) ? text.indexOf('}', start + 2) : -1;
}

/** What stands between `${` and `}`: a special character, a key with or without a default, or (undefined) nothing that is a variable. */
function parseVariable(body: string): string | Variable | undefined {
  if (body === '*' || body === '?' || body === '$') return body;
  const comma = body.indexOf(',');
  if (comma === -1) return body === '' ? undefined : { key: body.trim().toLowerCase(), fallback: undefined };
  const quoted = /^\s*'([^']*)'\s*$/.exec(body.slice(comma + 1));
  const key = body.slice(0, comma).trim().toLowerCase();
  return quoted === null || key === '' ? undefined : { key, fallback: quoted[1] };
}

function tokenise(text: string, mode: PatternMode, variables: boolean): Token[] {
  const tokens: Token[] = [];
  let literal = '';
  let colons = 0;
  const flush = (): void => {
    if (literal !== '') tokens.push(literal);
    literal = '';
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    const end = variables && (mode !== 'resource' || colons >= arnColons) ? variableEnd(text, at) : -1;
    const variable = end === -1 ? undefined : parseVariable(text.slice(at + 2, end));
    if (variable !== undefined) {
      if (typeof variable === 'string') literal += variable;
      else {
        flush();
        tokens.push(variable);
      }
      at = end;
    } else if (mode !== 'literal' && (character === '*' || character === '?')) {
      flush();
      tokens.push(character === '*' ? star : one);
    } else {
      if (character === ':') colons++;
      literal += character;
    }
  }
  flush();
  return tokens;
}

/** Replaces variables by the context's values. Undefined when one has no single value and no default. Values are literal text. */
function resolve(tokens: readonly Token[], context: PolicyContext): Resolved[] | undefined {
  const out: Resolved[] = [];
  for (const token of tokens) {
    if (typeof token !== 'object') {
      out.push(token);
      continue;
    }
    const values = context.get(token.key);
    const value = values?.length === 1 ? values[0] : token.fallback;
    if (value === undefined) return undefined;
    if (value !== '') out.push(value);
  }
  return out;
}

function colonsIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) count++;
  return count;
}

/** Confines wildcards of the first five components of an ARN to their segment, as `mode` says. */
function confine(tokens: readonly Resolved[], mode: PatternMode): Resolved[] {
  if (mode !== 'resource' && mode !== 'arn') return [...tokens];
  let colons = 0;
  return tokens.map((token, index) => {
    if (typeof token === 'string') {
      colons += colonsIn(token);
      return token;
    }
    if (colons >= arnColons) return token;
    if (token === one) return oneInSegment;
    const next = tokens[index + 1];
    const endsSegment = next === undefined || (typeof next === 'string' && next.startsWith(':'));
    return mode === 'resource' && endsSegment ? star : starInSegment;
  });
}

/**
 * "When you specify an incomplete ARN … AWS automatically completes the ARN by adding wildcard characters to all missing fields." Said of Resource;
 * of ARNs in conditions nothing is said, and they are read alike.
 */
function completeArn(text: string): string {
  return text.startsWith('arn:') ? text + ':*'.repeat(Math.max(0, arnColons - colonsIn(text))) : text;
}

type Piece = readonly (string | typeof one)[];

/** Where `piece` ends when it matches `text` at `at`, or -1. */
function pieceEnd(piece: Piece, text: string, at: number): number {
  let position = at;
  for (const token of piece) {
    if (token === one) {
      if (position >= text.length) return -1;
      position++;
    } else {
      if (!text.startsWith(token, position)) return -1;
      position += token.length;
    }
  }
  return position;
}

function pieceLength(piece: Piece): number {
  let length = 0;
  for (const token of piece) length += token === one ? 1 : token.length;
  return length;
}

/** Leftmost match of `piece` at or after `at`: where it ends, or -1. Leftmost suffices, since stars take any text. */
function findPiece(piece: Piece, text: string, at: number): number {
  const [only] = piece;
  if (piece.length === 1 && typeof only === 'string') {
    const found = text.indexOf(only, at);
    return found === -1 ? -1 : found + only.length;
  }
  for (let start = at; start <= text.length; start++) {
    const end = pieceEnd(piece, text, start);
    if (end !== -1) return end;
  }
  return -1;
}

/** Matcher for tokens whose wildcards are unconfined: pieces between stars, first and last anchored. */
function matchPieces(tokens: readonly (string | typeof star | typeof one)[]): (text: string) => boolean {
  const pieces: (string | typeof one)[][] = [[]];
  for (const token of tokens) {
    if (token === star) pieces.push([]);
    else pieces.at(-1)!.push(token);
  }
  const first = pieces[0]!;
  if (pieces.length === 1) return (text) => pieceEnd(first, text, 0) === text.length;
  const last = pieces.at(-1)!;
  const lastLength = pieceLength(last);
  const middle = pieces.slice(1, -1).filter((piece) => piece.length > 0);
  return (text) => {
    let at = pieceEnd(first, text, 0);
    if (at === -1) return false;
    for (const piece of middle) {
      at = findPiece(piece, text, at);
      if (at === -1) return false;
    }
    const tail = text.length - lastLength;
    return tail >= at && pieceEnd(last, text, tail) === text.length;
  };
}

/** Matcher for any tokens: the set of positions that can be reached after each token. */
function matchReachable(tokens: readonly Resolved[], text: string): boolean {
  let reached = new Uint8Array(text.length + 1);
  reached[0] = 1;
  for (const token of tokens) {
    const next = new Uint8Array(text.length + 1);
    let any = false;
    for (let at = 0; at <= text.length; at++) {
      if (reached[at] === 0) continue;
      if (typeof token === 'string') {
        if (text.startsWith(token, at)) next[at + token.length] = 1;
      } else if (token === star || token === starInSegment) {
        next[at] = 1;
        if (at < text.length && (token === star || text[at] !== ':')) reached[at + 1] = 1;
      } else if (at < text.length && (token === one || text[at] !== ':')) next[at + 1] = 1;
      any = true;
    }
    if (!any) return false;
    reached = next;
  }
  return reached[text.length] === 1;
}

function isUnconfined(token: Resolved): token is string | typeof star | typeof one {
  return token !== starInSegment && token !== oneInSegment;
}

function matcherOf(tokens: readonly Resolved[], mode: PatternMode): (text: string) => boolean {
  const [first, second] = tokens;
  if (tokens.length === 0) return (text) => text === '';
  if (tokens.length === 1 && first === star) return () => true;
  if (
    mode === 'arn' &&
    tokens.reduce<number>((sum, token) => sum + (typeof token === 'string' ? colonsIn(token) : 0), 0) < arnColons
  )
    return () => false;
  const confined = confine(tokens, mode);
  if (confined.length === 1 && typeof first === 'string') return (text) => text === first;
  if (confined.length === 2 && typeof first === 'string' && confined[1] === star && second === star)
    return (text) => text.startsWith(first);
  const unconfined = confined.filter(isUnconfined);
  if (unconfined.length === confined.length) return matchPieces(unconfined);
  return (text) => matchReachable(confined, text);
}

/**
 * Parses a pattern.
 * @param variables whether `${…}` is replaced: only in policies of version 2012-10-17, and only where policies allow variables
 */
export function compilePattern(text: string, mode: PatternMode, variables: boolean): Pattern {
  const tokens = tokenise(mode === 'resource' || mode === 'arn' ? completeArn(text) : text, mode, variables);
  const fixed = tokens.filter((token) => typeof token !== 'object');
  if (fixed.length === tokens.length) return { matches: matcherOf(fixed, mode), resolves: () => true };
  return {
    resolves: (context) => resolve(tokens, context) !== undefined,
    matches(value, context) {
      const resolved = resolve(tokens, context);
      return resolved !== undefined && matcherOf(resolved, mode)(value);
    },
  };
}

/**
 * Parses text without wildcards, of which the value itself is wanted.
 * @returns the text with its variables replaced, or undefined where one has no value
 */
export function compileText(text: string, variables: boolean): (context: PolicyContext) => string | undefined {
  const tokens = tokenise(text, 'literal', variables);
  if (!tokens.some((token) => typeof token === 'object')) return () => tokens.join('');
  return (context) => resolve(tokens, context)?.join('');
}

/** Keys of the variables that a text names, in lower case and in order of appearance. */
export function variableKeys(text: string): string[] {
  return tokenise(text, 'literal', true)
    .filter((token) => typeof token === 'object')
    .map((token) => token.key);
}
