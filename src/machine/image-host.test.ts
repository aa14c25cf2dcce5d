import { describe, expect, test } from 'vitest';
import { planAccounts } from './image-accounts.ts';
import { isPristine, parseConffiles, parseVariableFolders } from './image-packages.ts';

describe('accounts', () => {
  const passwd =
    'root:x:0:0:The Boss:/root:/bin/zsh\nwww-data:x:33:33:www:/var/www:/usr/sbin/nologin\nalice:x:1000:1000:Alice A:/home/alice:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n';
  const group = 'root:x:0:\nadm:x:4:alice,www-data\nalice:x:1000:\nnogroup:x:65534:\n';
  const accounts = planAccounts(passwd, group);

  test('system accounts stay; persons, their names and their memberships do not', () => {
    expect(accounts.passwd).toBe(
      'root:x:0:0:root:/root:/bin/zsh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    );
    expect(accounts.group).toBe('root:x:0:\nadm:x:4:www-data\nnogroup:x:65534:\n');
    expect(JSON.stringify(accounts)).not.toContain('lice');
  });

  test('nobody has a password', () => {
    expect(
      accounts.shadow
        .trim()
        .split('\n')
        .map((line) => line.split(':')[1]),
    ).toEqual(['*', '*', '*']);
    expect(accounts.gshadow).toContain('adm:*::www-data\n');
  });
});

describe('packages', () => {
  test('configuration files with their sums, without those that no package ships any more', () => {
    const sum = '0123456789abcdef0123456789abcdef';
    const status = `Package: a\nConffiles:\n /etc/a ${sum}\n /etc/old ${sum} obsolete\nDescription: text\n`;
    expect([...parseConffiles(status)]).toEqual([['/etc/a', sum]]);
  });

  test('a changed file is not pristine, nor is one without a sum', () => {
    expect(isPristine(Buffer.from('text\n'), 'e1cbb0c3879af8347246f12c559a86b5')).toBe(true);
    expect(isPristine(Buffer.from('text with a secret\n'), 'e1cbb0c3879af8347246f12c559a86b5')).toBe(false);
    expect(isPristine(Buffer.from('text\n'), undefined)).toBe(false);
  });

  test('folders below /var, not the package database', () => {
    expect(parseVariableFolders('/.\n/var\n/var/log\n/var/log/a\n/var/lib/dpkg\n/var/lib/dpkg/info\n/usr/bin\n')).toEqual([
      '/var/log',
      '/var/log/a',
    ]);
  });
});
