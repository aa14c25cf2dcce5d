/** CIDR collections: named locations of client blocks, for IP-based routing. */
import type { Route53 } from '@aws-sdk/client-route-53';
import { canonicalCidr, isCidr4, parseCidr } from '../../base/cidr.ts';
import { pageOf } from '../../base/paging.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { error, invalidInput, noSuchCidrCollection } from './errors.ts';
import { CidrCollections, type CidrCollectionRow, RecordSets } from './state.ts';
import type { Reading } from './zone-lookup.ts';

const longest = { 4: 24, 6: 48 } as const;
const collectionsMax = 5;
const blocksMax = 1000;

const arnOf = (ctx: Pick<Context, 'account'>, id: string): string => `arn:aws:route53::${ctx.account}:cidrcollection/${id}`;

async function requireCollection(reading: Reading, id: string | undefined): Promise<CidrCollectionRow> {
  const row = await reading.table(CidrCollections).get(id ?? '');
  if (row === undefined) throw noSuchCidrCollection(id ?? '');
  return row;
}

/** The block as it is kept. Throws InvalidInput for text that is none or is too narrow. */
function readBlock(text: string): string {
  const block = parseCidr(text);
  const canonical = canonicalCidr(text);
  if (block === undefined || canonical === undefined) throw invalidInput(`The CIDR block ${text} is not valid.`);
  const max = longest[isCidr4(block) ? 4 : 6];
  if (block.prefix > max)
    throw invalidInput(`The CIDR block ${text} is not valid: the prefix length must not be greater than ${max}.`);
  return canonical;
}

/** Zones whose records use the collection are carried to the name servers again. */
async function touchZones(tx: Transaction, id: string): Promise<void> {
  const zones = new Set((await tx.table(RecordSets).byIndex('byCollection', [id])).map(({ zone }) => zone));
  for (const zone of zones) tx.hint('zones', zone);
}

export const cidrHandlers: HandlersOf<Route53> = {
  async CreateCidrCollection(input, ctx) {
    new RequestCheck('InvalidInput')
      .length('name', input.Name, 1, 64)
      .pattern('name', input.Name, /^[0-9A-Za-z_-]+$/, '[0-9A-Za-z_\\-]+')
      .done();
    const row = await ctx.transact(async (tx) => {
      const table = tx.table(CidrCollections);
      const known = await table.firstByIndex('byName', [input.Name ?? '']);
      if (known !== undefined) {
        if (known.callerReference === input.CallerReference) return known;
        throw error('CidrCollectionAlreadyExistsException', `A CIDR collection with the name ${input.Name} already exists.`);
      }
      if ((await table.count()) >= collectionsMax)
        throw error('LimitsExceeded', `An account can have at most ${collectionsMax} CIDR collections.`);
      const made = {
        id: ctx.uuid(),
        name: input.Name ?? '',
        callerReference: input.CallerReference ?? '',
        version: 1,
        locations: {},
      };
      await table.put(made);
      return made;
    });
    return {
      Collection: { Arn: arnOf(ctx, row.id), Id: row.id, Name: row.name, Version: row.version },
      Location: `https://route53.amazonaws.com/2013-04-01/cidrcollection/${row.id}`,
    };
  },

  async ChangeCidrCollection(input, ctx) {
    const changes = input.Changes ?? [];
    new RequestCheck('InvalidInput').count('changes', changes, 1, 1000).done();
    await ctx.transact(async (tx) => {
      const row = await requireCollection(tx, input.Id);
      if (input.CollectionVersion !== undefined && input.CollectionVersion !== row.version)
        throw error(
          'CidrCollectionVersionMismatchException',
          `The CIDR collection version ${input.CollectionVersion} does not match ${row.version}.`,
          409,
        );
      const locations: Record<string, readonly string[]> = { ...row.locations };
      for (const { LocationName: name = '', Action, CidrList = [] } of changes) {
        if (!/^[0-9A-Za-z_-]{1,16}$/.test(name)) throw invalidInput(`The CIDR location name ${name} is not valid.`);
        const blocks = CidrList.map(readBlock);
        const rest = (locations[name] ?? []).filter((block) => !blocks.includes(block));
        if (Action === 'PUT') locations[name] = [...rest, ...blocks];
        else if (rest.length > 0) locations[name] = rest;
        else delete locations[name];
      }
      const all = Object.entries(locations).flatMap(([name, blocks]) => blocks.map((block) => ({ name, block })));
      if (all.length > blocksMax) throw error('LimitsExceeded', `A CIDR collection can have at most ${blocksMax} blocks.`);
      const twice = all.find(({ block, name }) => all.some((other) => other.block === block && other.name !== name));
      if (twice !== undefined) throw error('CidrBlockInUseException', `The CIDR block ${twice.block} is already in use.`);
      await tx.table(CidrCollections).put({ ...row, locations, version: row.version + 1 });
      await touchZones(tx, row.id);
    });
    return { Id: ctx.id('dnsChange') };
  },

  async DeleteCidrCollection(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireCollection(tx, input.Id);
      if (Object.keys(row.locations).length > 0)
        throw error('CidrCollectionInUseException', `The CIDR collection ${row.id} is in use: it has locations.`);
      await tx.table(CidrCollections).delete(row.id);
    });
    return {};
  },

  async ListCidrCollections(input, ctx) {
    const rows = await ctx.table(CidrCollections).list();
    const page = pageOf(rows, ({ id }) => [id], { scope: 'cidr', token: input.NextToken, limit: input.MaxResults });
    if (page === undefined) throw invalidInput('The pagination token is not valid.');
    return {
      CidrCollections: page.items.map(({ id, name, version }) => ({ Arn: arnOf(ctx, id), Id: id, Name: name, Version: version })),
      ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
    };
  },

  async ListCidrLocations(input, ctx) {
    const row = await requireCollection(ctx, input.CollectionId);
    const names = Object.keys(row.locations).sort();
    const page = pageOf(names, (name) => [name], { scope: `cidr ${row.id}`, token: input.NextToken, limit: input.MaxResults });
    if (page === undefined) throw invalidInput('The pagination token is not valid.');
    return {
      CidrLocations: page.items.map((LocationName) => ({ LocationName })),
      ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
    };
  },

  async ListCidrBlocks(input, ctx) {
    const row = await requireCollection(ctx, input.CollectionId);
    if (input.LocationName !== undefined && row.locations[input.LocationName] === undefined)
      throw error('NoSuchCidrLocationException', `No CIDR location found with the name ${input.LocationName}`, 404);
    const all = Object.entries(row.locations)
      .filter(([name]) => input.LocationName === undefined || name === input.LocationName)
      .flatMap(([LocationName, blocks]) => blocks.map((CidrBlock) => ({ CidrBlock, LocationName })))
      .sort((a, b) => (a.CidrBlock < b.CidrBlock ? -1 : 1));
    const page = pageOf(all, ({ CidrBlock }) => [CidrBlock], {
      scope: `blocks ${row.id}`,
      token: input.NextToken,
      limit: input.MaxResults,
    });
    if (page === undefined) throw invalidInput('The pagination token is not valid.');
    return { CidrBlocks: page.items, ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
  },
};
