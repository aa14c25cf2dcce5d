/**
 * The account files of the host image: the host's system accounts (programs and packages refer to them), without any person's account, without
 * passwords, and without group memberships of persons.
 */

/** Ids below this are system accounts on every distribution in use (login.defs, UID_MIN). */
const personIdMin = 1000;
const nobodyId = 65534;

export interface AccountFiles {
  passwd: string;
  shadow: string;
  group: string;
  gshadow: string;
}

/** Makes account files from the text of the host's /etc/passwd and /etc/group. Pure. */
export function planAccounts(hostPasswd: string, hostGroup: string): AccountFiles {
  const users = rows(hostPasswd, 7).filter((fields) => isSystemId(fields[2]));
  const names = new Set(users.map((fields) => fields[0]));
  const passwd = users.map(([name, , uid, gid, , home, shell]) => `${name}:x:${uid}:${gid}:${name}:${home}:${shell}`);
  const groups = rows(hostGroup, 4)
    .filter((fields) => isSystemId(fields[2]))
    .map(([name, , gid, members]) => ({ name, gid, members: (members ?? '').split(',').filter((member) => names.has(member)) }));
  return {
    passwd: lines(passwd),
    shadow: lines(users.map(([name]) => `${name}:*:19000:0:99999:7:::`)),
    group: lines(groups.map(({ name, gid, members }) => `${name}:x:${gid}:${members.join(',')}`)),
    gshadow: lines(groups.map(({ name, members }) => `${name}:*::${members.join(',')}`)),
  };
}

function rows(text: string, fieldCount: number): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === fieldCount);
}

function isSystemId(text: string | undefined): boolean {
  const id = Number(text);
  return Number.isInteger(id) && (id < personIdMin || id === nobodyId);
}

function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join('');
}
