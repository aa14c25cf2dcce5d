/**
 * Desync mitigation: what servers disagree about in a request, and what a node does about it ("Desync mitigation mode", User Guide of Application Load
 * Balancers). Acceptable and ambiguous requests pass unless the mode is the strictest, and in the defensive one the connections of ambiguous ones end with
 * them. Severe ones are refused unless the mode only monitors. Even then nothing passes that cannot be written as one request.
 */
import type { Doubt, HttpOptions } from '../types.ts';

/** Why a request is refused, as the status of the answer. */
export class HeadError extends Error {
  readonly status: number;
  /** What it is called in logs. */
  readonly reason: string;
  readonly grade: Doubt['grade'];

  constructor(status: number, message: string, reason = 'NonCompliantHeader', grade: Doubt['grade'] = 'severe') {
    super(message);
    this.status = status;
    this.reason = reason;
    this.grade = grade;
  }
}

const ranks = { acceptable: 1, ambiguous: 2, severe: 3 } as const;

/** What is in doubt about one request. */
export class Doubts {
  /** The worst of it; of equals the first. */
  worst: Doubt | undefined;
  readonly #mode: HttpOptions['desync'];

  constructor(mode: HttpOptions['desync']) {
    this.#mode = mode;
  }

  /** Notes a doubt. Throws HeadError where the mode refuses it. */
  note(grade: Doubt['grade'], reason: string, message: string): void {
    if (this.#mode === 'strictest' || (grade === 'severe' && this.#mode === 'defensive'))
      throw new HeadError(400, message, reason, grade);
    if (this.worst === undefined || ranks[grade] > ranks[this.worst.grade]) this.worst = { grade, reason };
  }

  /** Connections end with the request: nobody knows for sure where the next one would begin. */
  get breaks(): boolean {
    return this.worst?.grade === 'severe' || (this.worst?.grade === 'ambiguous' && this.#mode === 'defensive');
  }
}
