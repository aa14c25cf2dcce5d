/** What scaling policies make of a capacity: pure, for Auto Scaling and Application Auto Scaling. Sources: "Step and simple scaling policies", "Target tracking scaling policies" (User Guide). */

/** A step: its bounds relative to the alarm's threshold, and what it does. */
export interface StepAdjustment {
  MetricIntervalLowerBound?: number | undefined;
  MetricIntervalUpperBound?: number | undefined;
  ScalingAdjustment?: number | undefined;
}

/** How an adjustment is meant. */
export interface AdjustmentSettings {
  AdjustmentType?: string | undefined;
  MinAdjustmentMagnitude?: number | undefined;
  MinAdjustmentStep?: number | undefined;
}

const lower = ({ MetricIntervalLowerBound: bound }: StepAdjustment) => bound ?? Number.NEGATIVE_INFINITY;
const upper = ({ MetricIntervalUpperBound: bound }: StepAdjustment) => bound ?? Number.POSITIVE_INFINITY;

/** What is wrong with the steps of a policy, in AWS's words; undefined when they follow each other without gap or overlap. */
export function stepsProblem(steps: readonly StepAdjustment[]): string | undefined {
  if (steps.length === 0) return 'At least one StepAdjustment must be specified for StepScaling policy type.';
  if (steps.length > 20) return 'The maximum number of step adjustments (20) per policy has been reached.';
  for (const step of steps) {
    if (step.MetricIntervalLowerBound === undefined && step.MetricIntervalUpperBound === undefined && steps.length > 1)
      return 'At least one of MetricIntervalLowerBound and MetricIntervalUpperBound must be specified in each StepAdjustment.';
    if (lower(step) >= upper(step))
      return 'MetricIntervalLowerBound must be less than MetricIntervalUpperBound in a StepAdjustment.';
  }
  const sorted = [...steps].sort((a, b) => lower(a) - lower(b));
  for (let index = 1; index < sorted.length; index += 1) {
    const [before, after] = [sorted[index - 1]!, sorted[index]!];
    if (lower(after) < upper(before)) return "StepAdjustment intervals can't overlap.";
    if (lower(after) > upper(before)) return "StepAdjustment intervals can't have gaps between them.";
  }
  return undefined;
}

/** The adjustment of the step that a breach falls into; undefined when there is none. Above the threshold lower bounds belong to a step, below it upper ones. */
export function adjustmentFor(steps: readonly StepAdjustment[], breach: number): number | undefined {
  const step = steps.find((one) =>
    breach >= 0 ? lower(one) <= breach && breach < upper(one) : lower(one) < breach && breach <= upper(one),
  );
  return step?.ScalingAdjustment;
}

/** The value by which a step is chosen ("MetricAggregationType": Average by default); undefined without any. */
export function aggregate(values: readonly number[], type = 'Average'): number | undefined {
  if (values.length === 0) return undefined;
  if (type === 'Minimum') return Math.min(...values);
  if (type === 'Maximum') return Math.max(...values);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Percentages: above 1 rounded down, between 0 and 1 up to 1, negative ones likewise towards and away from zero; then the least magnitude. */
function percentOf(capacity: number, adjustment: number, leastMagnitude: number): number {
  const exact = (capacity * adjustment) / 100;
  const rounded = exact > 0 && exact < 1 ? 1 : exact < 0 && exact > -1 ? -1 : Math.trunc(exact);
  return Math.sign(adjustment) * Math.max(Math.abs(rounded), leastMagnitude);
}

/** New capacity by an adjustment, before minimum and maximum. */
export function adjust(capacity: number, adjustment: number, settings: AdjustmentSettings): number {
  if (settings.AdjustmentType === 'ExactCapacity') return adjustment;
  if (settings.AdjustmentType === 'PercentChangeInCapacity')
    return capacity + percentOf(capacity, adjustment, settings.MinAdjustmentMagnitude ?? settings.MinAdjustmentStep ?? 0);
  return capacity + adjustment;
}

/** Capacity at which a metric that is shared by the instances comes to its target; scaling in stays on the safe side of it. */
export function trackedCapacity(capacity: number, value: number, target: number): number {
  return Math.max(0, Math.ceil((capacity * value) / target - 1e-9));
}
