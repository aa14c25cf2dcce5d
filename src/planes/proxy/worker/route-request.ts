/** Where one request goes: rule, pool, target, and the cookies that an answer must carry so that the next one goes there too. */
import type { ActionSpec } from '../types.ts';
import { digestOf, openStay, readCookie, readSetCookie, sealStay } from './cookies.ts';
import type { Header, RequestHead } from './http-head.ts';
import type { CompiledRule, Question } from './match.ts';
import type { NodeState } from './node-state.ts';
import type { LivePool, LiveTarget } from './pools.ts';

export type Forward = Extract<ActionSpec, { kind: 'forward' }>;

/** Cookie names, as clients know them from the real cloud; the second of a pair is for other sites' pages. */
const durationCookie = 'AWSALB';
const applicationCookie = 'AWSALBAPP-0';
const groupCookie = 'AWSALBTG';

const classicCookie = 'AWSELB';
const sessionSeconds = 604_800;

export interface Routed {
  rule: CompiledRule;
  pool?: LivePool | undefined;
  target?: LiveTarget | undefined;
  /** The client came with a cookie that led to the target. */
  stayed: boolean;
}

/** The first rule that matches; the last one always does. */
export function findRule(rules: readonly CompiledRule[], question: Question): CompiledRule {
  return rules.find((rule) => rule.matches(question)) ?? rules.at(-1)!;
}

/** Pool by weight or by the client's cookie, then target by the client's cookie or by the pool's algorithm. */
export function routeForward(state: NodeState, rule: CompiledRule, action: Forward, head: RequestHead): Routed {
  const pool = choosePool(state, action, head);
  if (pool === undefined) return { rule, stayed: false };
  const sticky = pool.spec.stickiness;
  const stay = sticky === undefined ? undefined : readStay(state, pool, head);
  const known = stay === undefined ? undefined : pool.takes(stay.target);
  return { rule, pool, target: known ?? pool.next(), stayed: known !== undefined };
}

function durationName({ spec: { stickiness } }: LivePool): string {
  return stickiness?.kind === 'duration' ? (stickiness.cookie ?? durationCookie) : durationCookie;
}

function readStay(state: NodeState, pool: LivePool, head: RequestHead) {
  const sticky = pool.spec.stickiness;
  const name = sticky?.kind === 'application' ? (sticky.seal ?? applicationCookie) : durationName(pool);
  const stay = openStay(readCookie(head.headers, name), state.sealing);
  if (stay === undefined || stay.pool !== pool.spec.key) return undefined;
  if (sticky?.kind !== 'application') return stay.of === undefined ? stay : undefined;
  // Both cookies are needed, and they must belong together.
  const own = readCookie(head.headers, sticky.cookie);
  return own !== undefined && stay.of === digestOf(sticky.cookie) ? stay : undefined;
}

function choosePool(state: NodeState, action: Forward, head: RequestHead): LivePool | undefined {
  const { pools } = action;
  if (pools.length === 1) return state.pools.get(pools[0]!.pool);
  if (action.stickySeconds !== undefined) {
    const stay = openStay(readCookie(head.headers, groupCookie), state.sealing);
    const known = pools.find(({ pool, weight }) => pool === stay?.pool && weight > 0);
    if (known !== undefined) return state.pools.get(known.pool);
  }
  const total = pools.reduce((sum, { weight }) => sum + weight, 0);
  let draw = Math.random() * total;
  for (const { pool, weight } of pools) {
    draw -= weight;
    if (draw < 0 && weight > 0) return state.pools.get(pool);
  }
  return undefined;
}

/** Set-Cookie headers to add to an answer. */
export function cookiesFor(state: NodeState, routed: Routed, answer: readonly Header[], secure: boolean): string {
  const { pool, target, rule } = routed;
  if (pool === undefined || target === undefined) return '';
  let lines = '';
  const add = (name: string, given: number | undefined, of?: string): void => {
    // Without a duration the cookie lasts as long as the browser keeps it.
    const seconds = given ?? sessionSeconds;
    const until = Date.now() + seconds * 1000;
    const value = sealStay({ pool: pool.spec.key, target: target.spec.key, until, of }, state.sealing);
    const expires = new Date(until).toUTCString();
    lines += `Set-Cookie: ${name}=${value};${given === undefined ? '' : ` Expires=${expires};`} Path=/\r\n`;
    const twin = name === applicationCookie || name === classicCookie ? undefined : `${name}CORS`;
    if (twin !== undefined)
      lines += `Set-Cookie: ${twin}=${value}; Expires=${expires}; Path=/; SameSite=None${secure ? '; Secure' : ''}\r\n`;
  };
  const sticky = pool.spec.stickiness;
  if (sticky?.kind === 'duration') add(durationName(pool), sticky.seconds);
  if (sticky?.kind === 'application' && readSetCookie(answer, sticky.cookie) !== undefined)
    add(sticky.seal ?? applicationCookie, sticky.seconds, digestOf(sticky.cookie));
  if (rule.action.kind === 'forward' && rule.action.stickySeconds !== undefined && rule.action.pools.length > 1)
    add(groupCookie, rule.action.stickySeconds);
  return lines;
}
