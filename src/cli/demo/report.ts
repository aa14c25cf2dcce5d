/** What a demo asked for and what it saw, as a table; anything that differs makes the demo fail. */
export interface DemoLine {
  step: string;
  asked: string;
  seen: string;
  ok: boolean;
}

export class DemoReport {
  readonly lines: DemoLine[] = [];
  readonly #print: (text: string) => void;
  #skipped = 0;

  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  /** Notes one observation and prints it at once. */
  see(step: string, asked: string, seen: string, ok: boolean): void {
    this.lines.push({ step, asked, seen, ok });
    this.#print(`${ok ? 'ok  ' : 'FAIL'}  ${step.padEnd(8)} ${asked.padEnd(58)} ${seen}`);
  }

  /** Notes what could not be looked at on this host, and why. */
  skip(step: string, asked: string, reason: string): void {
    this.#skipped += 1;
    this.#print(`skip  ${step.padEnd(8)} ${asked.padEnd(58)} ${reason}`);
  }

  /** Says what is not tried here at all, and why. */
  note(step: string, text: string): void {
    this.#print(`note  ${step.padEnd(8)} ${text}`);
  }

  /** The last line. */
  get summary(): string {
    if (!this.passed) return '\nSomething differs.';
    return `\nEverything is as it should be${this.#skipped === 0 ? '' : `; ${this.#skipped} not looked at`}.`;
  }

  /** True when everything was as it should be. */
  get passed(): boolean {
    return this.lines.length > 0 && this.lines.every((line) => line.ok);
  }
}
