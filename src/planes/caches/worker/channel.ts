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

export type ToNode =
  | { tell: 'question'; id: number; ask: 'apply'; spec: CacheNodeSpec }
  | { tell: 'question'; id: number; ask: 'counts' }
  | { tell: 'question'; id: number; ask: 'retire' }
  | { tell: 'answer'; id: number; result: unknown }
  | { tell: 'answer'; id: number; refusal: RefusalMessage }
  | { tell: 'written'; entries: readonly WrittenEntry[] }
  | { tell: 'time'; state: ClockState };

export type FromNode =
  | { kind: 'done'; id: number; result?: unknown; error?: string | undefined }
  | { kind: 'ask'; id: number; question: CacheQuestion }
  | { kind: 'written'; entries: readonly WrittenEntry[] };
