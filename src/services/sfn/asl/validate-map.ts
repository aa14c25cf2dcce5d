/** Map states: processors, readers, batchers and writers. Source: Developer Guide, "Map workflow state" and "ItemReader (Map)". */
import type { QueryLanguage } from './definition.ts';
import type { Report } from './validate-fields.ts';
import { isReferencePath } from './jsonpath.ts';
import { isObject, type JsonObject, memberOf } from './values.ts';

const readers = ['arn:aws:states:::s3:getObject', 'arn:aws:states:::s3:listObjectsV2'];
const writer = 'arn:aws:states:::s3:putObject';
const labelCharsMax = 40;

interface Situation {
  report: Report;
  type: 'STANDARD' | 'EXPRESS';
  labels: Set<string>;
}

/** Fields that only a distributed Map has, and what they hold. */
export function checkMap(
  state: JsonObject,
  language: QueryLanguage,
  location: string,
  { report, type, labels }: Situation,
): void {
  const processor = state['ItemProcessor'] ?? state['Iterator'];
  const config = memberOf(processor, 'ProcessorConfig');
  const mode = memberOf(config, 'Mode');
  const place = `${location}/ItemProcessor/ProcessorConfig`;
  if (mode !== undefined && mode !== 'INLINE' && mode !== 'DISTRIBUTED')
    report.schema('Value is not supported. Expected one of: [INLINE, DISTRIBUTED]', `${place}/Mode`);
  const distributed = mode === 'DISTRIBUTED';
  const kind = memberOf(config, 'ExecutionType');
  if (distributed && kind === undefined) report.schema('These fields are required: [ExecutionType]', place);
  if (kind !== undefined && kind !== 'STANDARD' && kind !== 'EXPRESS')
    report.schema('Value is not supported. Expected one of: [STANDARD, EXPRESS]', `${place}/ExecutionType`);
  if (!distributed && kind !== undefined) report.schema("Field 'ExecutionType' is not supported", place);
  if (distributed && type === 'EXPRESS')
    report.schema("Express state machine does not support Map state with 'DISTRIBUTED' mode", place);
  if (!distributed) {
    for (const field of ['ItemReader', 'ItemBatcher', 'ResultWriter', 'Label', ...tolerances])
      if (state[field] !== undefined) report.schema(`Field '${field}' is not supported`, location);
    return;
  }
  checkLabel(state['Label'], location, report, labels);
  checkParts(state, language, location, report);
}

const tolerances = [
  'ToleratedFailureCount',
  'ToleratedFailureCountPath',
  'ToleratedFailurePercentage',
  'ToleratedFailurePercentagePath',
];

function checkLabel(label: unknown, location: string, report: Report, labels: Set<string>): void {
  if (label === undefined) return;
  if (typeof label !== 'string' || label === '' || label.length > labelCharsMax || /[\s?*<>{}[\]:;,\\|^~$#%&`"]/.test(label)) {
    report.add({
      code: 'INVALID_LABEL_NAME',
      message: `Invalid label name: ${String(label)}`,
      location: `${location}/Label`,
    });
    return;
  }
  if (labels.has(label))
    report.add({ code: 'DUPLICATE_LABEL_NAME', message: `Duplicate label name: ${label}`, location: `${location}/Label` });
  labels.add(label);
}

function checkParts(state: JsonObject, language: QueryLanguage, location: string, report: Report): void {
  const { ItemReader, ItemBatcher, ResultWriter } = state;
  if (ItemReader !== undefined) {
    const resource = memberOf(ItemReader, 'Resource');
    const place = `${location}/ItemReader`;
    if (resource === undefined) report.schema('These fields are required: [Resource]', place);
    else if (!readers.includes(String(resource))) report.schema(notRecognised(String(resource)), `${place}/Resource`);
    const input = memberOf(memberOf(ItemReader, 'ReaderConfig'), 'InputType');
    const types = ['CSV', 'JSON', 'JSONL', 'MANIFEST'];
    if (resource === readers[0] && input === undefined)
      report.schema('These fields are required: [InputType]', `${place}/ReaderConfig`);
    else if (input !== undefined && !types.includes(String(input)))
      report.schema(`Value is not supported. Expected one of: [${types.join(', ')}]`, `${place}/ReaderConfig/InputType`);
  }
  if (isObject(ItemBatcher)) {
    const bounds = ['MaxItemsPerBatch', 'MaxItemsPerBatchPath', 'MaxInputBytesPerBatch', 'MaxInputBytesPerBatchPath'];
    if (!bounds.some((field) => ItemBatcher[field] !== undefined))
      report.schema(`At least one of these fields is required: [${bounds.join(', ')}]`, `${location}/ItemBatcher`);
    for (const field of ['MaxItemsPerBatchPath', 'MaxInputBytesPerBatchPath']) {
      const value = ItemBatcher[field];
      if (value === undefined) continue;
      if (language === 'JSONata')
        report.schema(
          `The QueryLanguage is set to 'JSONata', but field '${field}' is only supported for the 'JSONPath' QueryLanguage`,
          `${location}/ItemBatcher`,
        );
      else if (typeof value !== 'string' || !isReferencePath(value))
        report.schema('Value is not a Reference Path', `${location}/ItemBatcher/${field}`);
    }
  }
  const target = memberOf(ResultWriter, 'Resource');
  if (target !== undefined && target !== writer)
    report.schema(notRecognised(String(target)), `${location}/ResultWriter/Resource`);
}

/** AWS's words for a resource that it does not know. */
export function notRecognised(resource: string): string {
  return `The resource provided ${resource} is not recognized. The value is not a valid resource ARN, or the resource is not available in this region.`;
}
