/** Filter patterns of requests: read, or refused in AWS's words. */
import { invalidPattern } from './errors.ts';
import { type FilterPattern, parseFilterPattern, patternCharsMax } from './filter-pattern.ts';
import { PatternError } from './filter-values.ts';
import { LogsCheck } from './rules.ts';

/** Throws InvalidParameterException. */
export function readPattern(text: string): FilterPattern {
  new LogsCheck().length('filterPattern', text, 0, patternCharsMax).done();
  try {
    return parseFilterPattern(text);
  } catch (error) {
    if (error instanceof PatternError) throw invalidPattern();
    throw error;
  }
}
