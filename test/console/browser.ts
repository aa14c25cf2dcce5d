/** A browser without scripts, as far as tests of the console need one. */
import { inject } from 'vitest';

/** Of the users that tests sign in. */
export const password = 'Correct-horse-1';

/** Keeps the console's cookie as a browser does. */
export class Browser {
  readonly endpoint: string;
  cookie = '';

  constructor(endpoint: string = inject('endpoint')) {
    this.endpoint = endpoint;
  }

  async get(path: string): Promise<{ status: number; text: string; headers: Headers }> {
    return this.#take(await fetch(this.#url(path), { headers: { cookie: this.cookie }, redirect: 'manual' }));
  }

  async post(path: string, fields: Record<string, string>, origin = this.endpoint) {
    const headers = { cookie: this.cookie, origin };
    return this.#take(
      await fetch(this.#url(path), { method: 'POST', body: new URLSearchParams(fields), headers, redirect: 'manual' }),
    );
  }

  signIn(account: string, user: string, secret = password) {
    return this.post('/sign-in', { account, user, password: secret });
  }

  signInRoot(account: string, secret = 'test') {
    return this.post('/root', { email: `root@${account}.localhost`, password: secret });
  }

  #url(path: string): string {
    return `${this.endpoint}/_pilvi/console${path}`;
  }

  async #take(answer: Response): Promise<{ status: number; text: string; headers: Headers }> {
    const set = answer.headers.get('set-cookie');
    if (set !== null) this.cookie = set.split(';')[0] ?? '';
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }
}
