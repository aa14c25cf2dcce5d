/**
 * Answers kept as bytes, for questions from the internet that have one answer for everybody: a plain record set of one value, in a zone whose queries
 * nobody logs, with a name that no other source ever answers. The key is all of the message but its id, so that flags, spelling of the name and
 * EDNS options are answered as they came. Whatever changes zones or domains forgets all (`version`).
 */

/** Answers kept; at the limit all are forgotten, which a flood of different questions costs no more than a map. */
const keptMax = 10_000;
/** Longer messages carry options that hardly come twice. */
const messageBytesMax = 300;
const idBytes = 2;

export class ReadyAnswers {
  readonly #kept = new Map<string, { answer: Buffer; count: () => void }>();
  readonly #version: () => number;
  #seen = -1;

  /** `version` rises with every change of what is answered. */
  constructor(version: () => number) {
    this.#version = version;
  }

  /** The answer to a message, with its id; undefined when none is kept. `door` tells listeners and transports apart that answer differently. */
  find(door: string, message: Buffer): Buffer | undefined {
    if (message.length > messageBytesMax) return undefined;
    if (this.#seen !== this.#version()) this.#kept.clear();
    const kept = this.#kept.get(keyOf(door, message));
    if (kept === undefined) return undefined;
    kept.count();
    const answer = Buffer.from(kept.answer);
    message.copy(answer, 0, 0, idBytes);
    return answer;
  }

  /** Keeps an answer that was worked out at this version; one that has changed meanwhile is not kept. `count` is called each time that it is given again. */
  keep(door: string, message: Buffer, answer: Buffer, { version, count }: { version: number; count: () => void }): void {
    if (version !== this.#version() || message.length > messageBytesMax) return;
    if (this.#seen !== version || this.#kept.size >= keptMax) this.#kept.clear();
    this.#seen = version;
    this.#kept.set(keyOf(door, message), { answer, count });
  }
}

function keyOf(door: string, message: Buffer): string {
  return door + message.toString('latin1', idBytes);
}
