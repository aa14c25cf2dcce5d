import { expect, test } from 'vitest';
import { coverageDocument } from '../../tools/coverage/coverage.ts';

const services = [
  { name: 'iam', all: ['CreateUser', 'DeleteUser', 'GetUser'], implemented: ['CreateUser', 'GetUser'] },
  { name: 's3', all: ['GetObject'], implemented: [] },
  { name: 'sts', all: ['AssumeRoleWithSAML'], implemented: ['AssumeRoleWithSAML'] },
];

test('counts, what is missing, what no test names', () => {
  const text = coverageDocument(services, new Set(['CreateUserCommand']));
  expect(text).toContain('3 of 5 operations, in 2 of 3 services.');
  expect(text).toContain('| [iam](#iam) | 2 | 3 | 1 |');
  expect(text).toContain('Implemented, but no test names them: GetUser.');
  expect(text).toContain('Not implemented: DeleteUser.');
  expect(text).toContain('Complete.');
  expect(text).toContain('s3 (1)');
});

test.each([
  ['AssumeRoleWithSAML', true],
  ['AssumeRoleWithSAMLCommand', true],
  ['assumeRoleWithSAML', true],
  ['assume-role-with-saml', true],
  ['AssumeRole', false],
])('the word %s names the operation: %s', (word, named) => {
  expect(coverageDocument(services, new Set([word])).includes('| [sts](#sts) | 1 | 1 | 0 |')).toBe(named);
});
