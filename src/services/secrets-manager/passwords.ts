/** GetRandomPassword: every character equally likely, with each kind that is asked for. Source: API Reference, GetRandomPassword. */
import type { GetRandomPasswordRequest, SecretsManager } from '@aws-sdk/client-secrets-manager';
import type { Context } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidParameter } from './errors.ts';

const kinds = {
  lower: 'abcdefghijklmnopqrstuvwxyz',
  upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
  digits: '0123456789',
  punctuation: '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
} as const;

const lengthDefault = 32;
const lengthMax = 4096;

/** The alphabets that a request leaves, each without the characters it excludes. */
function alphabetsOf(input: GetRandomPasswordRequest): string[] {
  const excluded = new Set(input.ExcludeCharacters ?? '');
  const wanted = [
    input.ExcludeLowercase === true ? '' : kinds.lower,
    input.ExcludeUppercase === true ? '' : kinds.upper,
    input.ExcludeNumbers === true ? '' : kinds.digits,
    input.ExcludePunctuation === true ? '' : kinds.punctuation,
    input.IncludeSpace === true ? ' ' : '',
  ];
  return wanted
    .map((alphabet) => [...alphabet].filter((letter) => !excluded.has(letter)).join(''))
    .filter((alphabet) => alphabet !== '');
}

/** An integer below `bound`, each equally likely: values that would favour some are drawn again. */
function drawBelow(ctx: Context, bound: number): number {
  const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound);
  for (;;) {
    const value = Buffer.from(ctx.bytes(4)).readUInt32BE(0);
    if (value < limit) return value % bound;
  }
}

const draw = (ctx: Context, alphabet: string): string => alphabet.charAt(drawBelow(ctx, alphabet.length));

export const passwordHandlers: HandlersOf<SecretsManager> = {
  GetRandomPassword(input, ctx) {
    const length = input.PasswordLength ?? lengthDefault;
    new RequestCheck()
      .range('passwordLength', length, 1, lengthMax)
      .length('excludeCharacters', input.ExcludeCharacters, 0, lengthMax)
      .done();
    const alphabets = alphabetsOf(input);
    const every = input.RequireEachIncludedType ?? true;
    if (alphabets.length === 0) throw invalidParameter('Unable to generate password because no character types are left.');
    if (every && length < alphabets.length)
      throw invalidParameter(`Password length ${length} is too short based on the required types.`);
    const all = alphabets.join('');
    const letters = (every ? alphabets : []).map((alphabet) => draw(ctx, alphabet));
    while (letters.length < length) letters.push(draw(ctx, all));
    // The required ones must not always come first: Fisher-Yates.
    for (let at = letters.length - 1; at > 0; at--) {
      const other = drawBelow(ctx, at + 1);
      [letters[at], letters[other]] = [letters[other] as string, letters[at] as string];
    }
    return { RandomPassword: letters.join('') };
  },
};
