/**
 * Documents of traffic policies ("Traffic policy document format"): a tree of rules with endpoints for leaves. In the plane each rule becomes the sets of
 * a name; names of inner rules hold a byte that no label of a record can have, so that nobody asks for them by a usual name.
 */
import type { RecordSetSpec } from '../../planes/dns/hosted/types.ts';
import { AwsError } from '../../kernel/errors.ts';
import { targetName } from './alias-targets.ts';
import { parseValue, planeType } from './record-data.ts';
import { ruleOf } from './routing.ts';
import type { RecordSetRow } from './state.ts';

interface Reference {
  EndpointReference?: string;
  RuleReference?: string;
  EvaluateTargetHealth?: boolean | string;
  HealthCheck?: string;
}

interface Branch extends Reference {
  Weight?: string | number;
  Region?: string;
  Latitude?: string | number;
  Longitude?: string | number;
  Bias?: string | number;
  IsDefault?: boolean | string;
  Continent?: string;
  Country?: string;
  Subdivision?: string;
}

interface Rule {
  RuleType: string;
  Primary?: Reference;
  Secondary?: Reference;
  Locations?: Branch[];
  GeoproximityLocations?: Branch[];
  Regions?: Branch[];
  Items?: Branch[];
}

export interface TrafficDocument {
  RecordType: string;
  StartRule?: string;
  StartEndpoint?: string;
  Endpoints: Record<string, { Type: string; Value?: string; Region?: string }>;
  Rules: Record<string, Rule>;
}

const formatVersion = '2015-10-01';
const recordTypes = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NAPTR', 'SPF', 'SRV', 'TXT'];
const aliasTypes = ['application-load-balancer', 'network-load-balancer', 'elastic-load-balancer', 'cloudfront'];
/** Rules below rules. */
const depthMax = 32;

function invalid(message: string): AwsError {
  return new AwsError('InvalidTrafficPolicyDocument', message);
}

type Routing = RecordSetRow['routing'];

/** A rule's branches, each with the routing of the set that it becomes. Throws InvalidTrafficPolicyDocument. */
function branchesOf(name: string, rule: Rule): [Routing, Reference][] {
  const list = (branches: Branch[] | undefined, routing: (branch: Branch) => Routing): [Routing, Reference][] => {
    if (!Array.isArray(branches) || branches.length === 0) throw invalid(`The rule ${name} has no branches.`);
    return branches.map((branch) => [routing(branch), branch]);
  };
  switch (rule.RuleType) {
    case 'failover': {
      if (rule.Primary === undefined) throw invalid(`The failover rule ${name} has no primary.`);
      const second: [Routing, Reference][] = rule.Secondary === undefined ? [] : [[{ Failover: 'SECONDARY' }, rule.Secondary]];
      return [[{ Failover: 'PRIMARY' }, rule.Primary], ...second];
    }
    case 'weighted':
      return list(rule.Items, ({ Weight = 0 }) => ({ Weight: Number(Weight) }));
    case 'multivalue':
      return list(rule.Items, () => ({ MultiValueAnswer: true }));
    case 'latency':
      return list(rule.Regions, ({ Region }) => ({ Region: Region as NonNullable<Routing['Region']> }));
    case 'geo':
      return list(rule.Locations, ({ IsDefault, Continent, Country, Subdivision }) => ({
        GeoLocation:
          String(IsDefault) === 'true'
            ? { CountryCode: '*' }
            : { ContinentCode: Continent, CountryCode: Country, SubdivisionCode: Subdivision },
      }));
    case 'geoproximity':
      return list(rule.GeoproximityLocations, ({ Region, Latitude, Longitude, Bias = 0 }) => ({
        GeoProximityLocation: {
          Bias: Number(Bias),
          ...(Region === undefined
            ? { Coordinates: { Latitude: String(Latitude), Longitude: String(Longitude) } }
            : { AWSRegion: Region.replace(/^aws:route53:/, '') }),
        },
      }));
    default:
      throw invalid(`The rule ${name} has the type ${rule.RuleType}, which does not exist.`);
  }
}

/** A document that can be in force. Throws InvalidTrafficPolicyDocument for every other. */
export function readDocument(text: string): TrafficDocument {
  let parsed: Partial<TrafficDocument> & { AWSPolicyFormatVersion?: string };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    throw invalid('The document is not valid JSON.');
  }
  if (parsed.AWSPolicyFormatVersion !== formatVersion) throw invalid(`AWSPolicyFormatVersion must be ${formatVersion}.`);
  const { RecordType = '', StartRule, StartEndpoint, Endpoints = {}, Rules = {} } = parsed;
  if (!recordTypes.includes(RecordType)) throw invalid(`RecordType ${RecordType} is not valid.`);
  if ((StartRule === undefined) === (StartEndpoint === undefined))
    throw invalid('Exactly one of StartRule and StartEndpoint is needed.');
  const document: TrafficDocument = { RecordType, Endpoints, Rules };
  if (StartRule === undefined) document.StartEndpoint = StartEndpoint!;
  else document.StartRule = StartRule;
  for (const [name, { Type, Value = '' }] of Object.entries(Endpoints)) {
    if (Type !== 'value' && !aliasTypes.includes(Type))
      throw invalid(`The endpoint ${name} has the type ${Type}, which is not known here.`);
    const value = Type === 'value' ? parseValue(RecordType, Value) : undefined;
    if (value !== undefined && 'problem' in value) throw invalid(`The endpoint ${name}: ${value.problem}`);
  }
  walk(document, StartRule === undefined ? { EndpointReference: StartEndpoint! } : { RuleReference: StartRule }, 0);
  return document;
}

function walk(document: TrafficDocument, { EndpointReference: endpoint, RuleReference: rule }: Reference, depth: number): void {
  if (depth > depthMax) throw invalid(`Rules lead to each other in a circle, or are more than ${depthMax} deep.`);
  if ((endpoint === undefined) === (rule === undefined))
    throw invalid('A branch needs either an EndpointReference or a RuleReference.');
  if (endpoint !== undefined && document.Endpoints[endpoint] === undefined) throw invalid(`There is no endpoint ${endpoint}.`);
  if (rule === undefined) return;
  const found = document.Rules[rule];
  if (found === undefined) throw invalid(`There is no rule ${rule}.`);
  for (const [, reference] of branchesOf(rule, found)) walk(document, reference, depth + 1);
}

/** The plane's sets of an instance of the document at a name; `probeOf` names a health check's probe. */
export function setsOf(
  document: TrafficDocument,
  { name, apex, id, ttl }: { name: string; apex: string; id: string; ttl: number },
  probeOf: (healthCheck: string) => string,
): RecordSetSpec[] {
  const type = planeType(document.RecordType) as RecordSetSpec['type'];
  const hidden = (rule: string) => `\u0000${rule.toLowerCase()}.${id}.${apex}`;
  const setOf = (at: string, reference: Reference, routing: Routing): RecordSetSpec => {
    const { EndpointReference, RuleReference, EvaluateTargetHealth, HealthCheck } = reference;
    const followHealth = String(EvaluateTargetHealth ?? RuleReference !== undefined) === 'true';
    const base = {
      ...{ name: at, type, ttl, rule: ruleOf(routing, () => []) },
      probe: HealthCheck === undefined ? undefined : probeOf(HealthCheck),
    };
    if (RuleReference !== undefined)
      return { ...base, values: [], alias: { name: hidden(RuleReference), own: true, followHealth } };
    const { Type, Value = '' } = document.Endpoints[EndpointReference ?? '']!;
    if (Type !== 'value') return { ...base, values: [], alias: { name: targetName(Value), own: false, followHealth } };
    const value = parseValue(document.RecordType, Value);
    return { ...base, values: 'data' in value ? [value.data] : [] };
  };
  if (document.StartRule === undefined) return [setOf(name, { EndpointReference: document.StartEndpoint! }, {})];
  return Object.entries(document.Rules).flatMap(([key, rule]) =>
    branchesOf(key, rule).map(([routing, reference]) =>
      setOf(key === document.StartRule ? name : hidden(key), reference, routing),
    ),
  );
}
