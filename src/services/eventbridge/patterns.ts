/** Patterns of rules and archives. */
import { compilePattern, PatternError } from '../../base/event-pattern.ts';
import { invalidPattern } from './errors.ts';

/** Throws InvalidEventPatternException in AWS's words. */
export function checkPattern(text: string): void {
  try {
    compilePattern(text);
  } catch (error) {
    if (error instanceof PatternError) throw invalidPattern(error.message);
    throw error;
  }
}
