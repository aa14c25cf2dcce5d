import { expect, test } from 'vitest';
import { checkPassword, checkReuse, hashPassword, isPassword, passwordState, policyDefaults } from './passwords.ts';
import type { LoginProfileRow } from './state.ts';

const day = 86_400_000;
const salt = new Uint8Array(16);

async function profile(password: string, ...former: string[]): Promise<LoginProfileRow> {
  const old = [];
  for (const text of former) old.push(await hashPassword(text, salt));
  return {
    user: 'AIDA',
    created: 0,
    changed: 0,
    resetRequired: false,
    password: await hashPassword(password, salt),
    former: old,
  };
}

test('a hash knows its password and no other', async () => {
  const hash = await hashPassword('right', salt);
  expect(await isPassword('right', hash)).toBe(true);
  expect(await isPassword('Right', hash)).toBe(false);
});

test('a password expires with its age; then its user must change it, or with HardExpiry cannot', async () => {
  const row = await profile('p');
  const policy = { ...policyDefaults, maxAge: 90 };
  expect(passwordState(row, policy, 90 * day - 1)).toBe('valid');
  expect(passwordState(row, policy, 90 * day)).toBe('change');
  expect(passwordState(row, { ...policy, hardExpiry: true }, 90 * day)).toBe('expired');
  expect(passwordState(row, policyDefaults, 9000 * day)).toBe('valid');
  expect(passwordState({ ...row, resetRequired: true }, policyDefaults, 0)).toBe('change');
});

test('the current password counts among those that may not be used again', async () => {
  const row = await profile('c', 'b', 'a');
  const policy = { ...policyDefaults, reusePrevention: 2 };
  await expect(checkReuse('c', row, policy)).rejects.toThrow('Password does not conform to the account password policy.');
  await expect(checkReuse('b', row, policy)).rejects.toThrow();
  await checkReuse('a', row, policy);
  await checkReuse('c', row, policyDefaults);
});

test('the default policy wants three sorts of four', () => {
  for (const password of ['Abcdefg1', 'Abcdefg!', 'abcdef1!', 'ABCDEF1!']) checkPassword(password, undefined);
  expect(() => checkPassword('12345678', undefined)).toThrow('Password should meet 2 more of the following requirements');
});
