import fc from 'fast-check';
import { expect, test } from 'vitest';
import { accountOfAccessKeyId, newAccessKeyId } from './access-key-id.ts';
import { IdSource } from './ids.ts';

test('an access key id names its account', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 999_999_999_999 }),
      fc.constantFrom('AKIA' as const, 'ASIA' as const),
      (number, prefix) => {
        const account = String(number).padStart(12, '0');
        const id = newAccessKeyId(new IdSource(), prefix, account);
        expect(id).toMatch(/^(AKIA|ASIA)[A-Z2-7]{16}$/);
        expect(accountOfAccessKeyId(id)).toBe(account);
      },
    ),
  );
});

test('what is no access key id names no account', () => {
  for (const text of ['', 'test', 'AKIA', 'AKIA0000000000000000', 'AIDAAAAAAAAAAAAAAAAA', 'AKIA7777777777777777'])
    expect(accountOfAccessKeyId(text)).toBeUndefined();
});
