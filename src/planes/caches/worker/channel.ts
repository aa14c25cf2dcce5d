/** Messages between a node and the process that started it. */
import type { ClockState } from '../../../base/clock.ts';
import type { CacheNodeSpec, CacheQuestion } from '../types.ts';

/** What a node holds of a key after a write; `gone` when nothing is known any more. */
export interface WrittenEntry {
  key: string;
  /** The item's values as the protocol carries them; null: there is no such item. */
  values: Uint8Array | null | 'gone';
}

export interface RefusalMessage {
  code: string;
  message: string;
  status: number;
  members: Readonly<Record<string, unknown>>;
}

/** What a node is asked (../../node-processes.ts). */
export type CacheNodeQuestion = { ask: 'apply'; spec: CacheNodeSpec } | { ask: 'counts' } | { ask: 'retire' };

export type ToNode =
  | { tell: 'answer'; id: number; result: unknown }
  | { tell: 'answer'; id: number; refusal: RefusalMessage }
  | { tell: 'written'; entries: readonly WrittenEntry[] }
  | { tell: 'time'; state: ClockState };

export type FromNode =
  | { kind: 'ask'; id: number; question: CacheQuestion }
  | { kind: 'written'; entries: readonly WrittenEntry[] };
