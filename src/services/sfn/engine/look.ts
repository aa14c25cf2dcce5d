/**
 * How a state reads and shapes its data, in either query language. JSONPath: InputPath, Parameters, ResultSelector, ResultPath, OutputPath; JSONata:
 * Arguments and Output; both: Assign. Source: Developer Guide, "Processing input and output in Step Functions".
 */
import type { Json } from '../../../model/types.ts';
import { languageOf, type QueryLanguage, type State } from '../asl/definition.ts';
import { StateError, runtimeError } from '../asl/errors.ts';
import { parsePath, pathProblem, readPath, type Scope, writePath } from '../asl/jsonpath.ts';
import { callIntrinsic } from '../asl/intrinsics.ts';
import { evaluateField } from '../asl/jsonata.ts';
import { fillTemplate } from '../asl/template.ts';
import { isObject, jsonBytes, type JsonObject, jsonText } from '../asl/values.ts';
import { payloadBytesMax } from '../rules.ts';
import type { Frame, Run } from './run.ts';

/** What a state leaves behind. */
export interface Shaped {
  output: Json;
  assigned: JsonObject;
}

/** Takes note of values on their way, for TestState. */
export type Notes = Record<string, Json>;

export class Look {
  readonly run: Run;
  readonly frame: Frame;
  readonly state: State;
  readonly language: QueryLanguage;
  readonly notes: Notes;

  constructor(run: Run, frame: Frame, notes: Notes = {}) {
    this.run = run;
    this.frame = frame;
    this.state = run.stateOf(frame);
    this.language = languageOf(run.definition, this.state);
    this.notes = notes;
  }

  get jsonata(): boolean {
    return this.language === 'JSONata';
  }

  scope(input: Json): Scope {
    return { input, context: this.run.contextOf(this.frame), variables: this.run.variablesOf(this.frame) };
  }

  /** The input after InputPath. Throws StateError States.Runtime. */
  input(): Json {
    const { InputPath } = this.state;
    if (this.jsonata || InputPath === undefined) return this.frame.input;
    const input = InputPath === null ? {} : this.path(InputPath, this.frame.input);
    this.notes['afterInputPath'] = input;
    return input;
  }

  /** The input after Parameters, or in JSONata what Arguments give; the input itself where there is neither. */
  async parameters(): Promise<Json> {
    if (this.jsonata) {
      const { Arguments } = this.state;
      const given = Arguments === undefined ? this.frame.input : await this.evaluate('Arguments', Arguments);
      if (Arguments !== undefined) this.notes['afterArguments'] = given;
      return given;
    }
    const input = this.input();
    const { Parameters } = this.state;
    if (Parameters === undefined) return input;
    const filled = this.template(Parameters, input);
    this.notes['afterParameters'] = filled;
    return filled;
  }

  /** Shapes a result into the state's output and the variables it sets. */
  async shape(result: Json): Promise<Shaped> {
    const { state, frame } = this;
    if (this.jsonata) {
      const states = { result };
      const output = state.Output === undefined ? result : await this.evaluate('Output', state.Output, states);
      const assigned = state.Assign === undefined ? {} : await this.evaluate('Assign', state.Assign, states);
      return this.bounded({ output, assigned: assigned as JsonObject });
    }
    const selected = state.ResultSelector === undefined ? result : this.template(state.ResultSelector, result);
    if (state.ResultSelector !== undefined) this.notes['afterResultSelector'] = selected;
    const assigned = state.Assign === undefined ? {} : this.template(state.Assign, selected);
    const combined = this.combine(state.ResultPath, frame.input, selected);
    this.notes['afterResultPath'] = combined;
    return this.bounded({ output: this.outputOf(combined), assigned: assigned as JsonObject });
  }

  /** The same for states without a result: Wait, Succeed, Choice. */
  async pass(): Promise<Shaped> {
    const { state } = this;
    if (this.jsonata) return this.shapeByRule(state);
    const input = this.input();
    const assigned = state.Assign === undefined ? {} : this.template(state.Assign, input);
    return this.bounded({ output: this.outputOf(input), assigned: assigned as JsonObject });
  }

  /** Output and Assign of a Choice's rule, a catcher, or a state without a result, in JSONata. */
  async shapeByRule(
    rule: { Output?: Json; Assign?: Json },
    states: JsonObject = {},
    otherwise = this.frame.input,
  ): Promise<Shaped> {
    const output = rule.Output === undefined ? otherwise : await this.evaluate('Output', rule.Output, states);
    const assigned = rule.Assign === undefined ? {} : await this.evaluate('Assign', rule.Assign, states);
    return this.bounded({ output, assigned: assigned as JsonObject });
  }

  /** The output after OutputPath. */
  outputOf(value: Json): Json {
    const { OutputPath } = this.state;
    if (OutputPath === undefined) return value;
    return OutputPath === null ? {} : this.path(OutputPath, value);
  }

  /** `into` with a result put where ResultPath says: all of it by default, nowhere when it is null. */
  combine(resultPath: string | null | undefined, into: Json, result: Json): Json {
    if (resultPath === null) return into;
    if (resultPath === undefined || resultPath === '$') return result;
    const combined = writePath(parsePath(resultPath), into, result);
    if (combined === undefined)
      throw new StateError(
        'States.ResultPathMatchFailure',
        `Unable to apply step "${resultPath.split('.').at(-1)}" to input ${jsonText(into)}`,
      );
    return combined;
  }

  /** The value at a path. Throws StateError States.Runtime. */
  path(text: string, input: Json): Json {
    const path = parsePath(text);
    const scope = this.scope(input);
    const value = readPath(path, scope);
    if (value === undefined) throw runtimeError(`Invalid path '${text}': ${pathProblem(path, scope)}`);
    return value;
  }

  /** A path, or an intrinsic function: ErrorPath and CausePath. */
  pathOrIntrinsic(text: string, input: Json): Json {
    return text.startsWith('$') ? this.path(text, input) : callIntrinsic(text, this.scope(input), this.run.ctx);
  }

  template(template: Json, input: Json): Json {
    return fillTemplate(template, this.scope(input), this.run.ctx);
  }

  /** Evaluates a JSONata field. Throws StateError States.QueryEvaluationError. */
  evaluate(field: string, value: Json, more: JsonObject = {}): Promise<Json> {
    const states = { input: this.frame.input, context: this.run.contextOf(this.frame), ...more };
    return evaluateField(field, value, { states, variables: this.run.variablesOf(this.frame) }, this.run.ctx);
  }

  /** A number that a field holds, or its `…Path`, or its expression; undefined when the state has none. */
  async number(
    field:
      | 'TimeoutSeconds'
      | 'HeartbeatSeconds'
      | 'Seconds'
      | 'MaxConcurrency'
      | 'ToleratedFailureCount'
      | 'ToleratedFailurePercentage',
  ): Promise<number | undefined> {
    const fields = this.state as unknown as Readonly<Record<string, Json | undefined>>;
    const path = fields[`${field}Path`];
    const given = fields[field];
    if (given === undefined && path === undefined) return undefined;
    const value =
      typeof path === 'string' ? this.path(path, this.input()) : this.jsonata ? await this.evaluate(field, given ?? null) : given;
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || number < 0 || !Number.isFinite(number))
      throw runtimeError(
        `The ${path === undefined ? field : `${field}Path`} parameter does not reference a valid value: ${jsonText(value ?? null)}`,
      );
    return number;
  }

  /** Throws StateError States.DataLimitExceeded for an output above 256 KB. */
  bounded(shaped: Shaped): Shaped {
    if (!isObject(shaped.assigned)) throw runtimeError("The value of the field 'Assign' must be an object.");
    if (jsonBytes(shaped.output) > payloadBytesMax || jsonBytes(shaped.assigned) > payloadBytesMax)
      throw tooLarge(this.frame.state);
    return shaped;
  }
}

/** A state or a task gave more than may be handed on. */
export function tooLarge(source: string): StateError {
  return new StateError(
    'States.DataLimitExceeded',
    `The state/task '${source}' returned a result with a size exceeding the maximum number of bytes service limit.`,
  );
}
