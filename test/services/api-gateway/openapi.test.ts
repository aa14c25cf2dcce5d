import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { call, deploy, hostUrl, restApi } from './rest.ts';

const description = (title: string) => `
openapi: 3.0.1
info: { title: ${title}, version: '1.2', description: of pets }
x-amazon-apigateway-binary-media-types: ['image/png']
x-amazon-apigateway-request-validators:
  all: { validateRequestBody: true, validateRequestParameters: true }
x-amazon-apigateway-request-validator: all
x-amazon-apigateway-gateway-responses:
  MISSING_AUTHENTICATION_TOKEN: { statusCode: 404 }
components:
  schemas:
    Pet: { type: object, required: [name], properties: { name: { type: string }, friend: { $ref: '#/components/schemas/Friend' } } }
    Friend: { type: string, minLength: 2 }
  securitySchemes:
    api_key: { type: apiKey, name: x-api-key, in: header }
paths:
  /pets/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get:
      operationId: getPet
      parameters: [{ name: q, in: query, required: true, schema: { type: string } }]
      responses: { '200': { description: ok, headers: { X-Pet: { schema: { type: string } } } } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses:
          default: { statusCode: '200', responseParameters: { method.response.header.X-Pet: "'yes'" }, responseTemplates: { application/json: "pet $input.params('id')" } }
    put:
      requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Pet' } } } }
      responses: { '200': { description: ok } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses: { default: { statusCode: '200', responseTemplates: { application/json: stored } } }
  /keyed:
    x-amazon-apigateway-any-method:
      security: [{ api_key: [] }]
      responses: {}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses: { default: { statusCode: '200' } }
`;

test('a description becomes an API, replaces one, and comes out again as it went in', async () => {
  const { gateway, account, id: other } = await restApi();
  await refused(gateway.importRestApi({ body: Buffer.from('{"not": "it"}') }), 'BadRequestException', 'Invalid OpenAPI input.');
  await refused(gateway.importRestApi({ body: Buffer.from('{') }), 'BadRequestException', 'Unable to parse API definition');
  const made = await gateway.importRestApi({
    body: Buffer.from(description('pets')),
    parameters: { endpointConfigurationTypes: 'REGIONAL' },
  });
  expect(made).toMatchObject({
    name: 'pets',
    description: 'of pets',
    version: '1.2',
    binaryMediaTypes: ['image/png'],
    endpointConfiguration: { types: ['REGIONAL'] },
  });
  const id = made.id ?? '';
  const rest = { account, gateway, id, root: made.rootResourceId ?? '' };
  await deploy(rest);
  const answers = async (verb: string, path: string, body?: string) => {
    const { status, text } = await call(hostUrl(id, `/prod${path}`), {
      method: verb,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    return [status, text];
  };
  expect((await call(hostUrl(id, '/prod/pets/7?q=1'))).headers['x-pet']).toBe('yes');
  expect(await answers('GET', '/pets/7?q=1')).toEqual([200, 'pet 7']);
  expect(await answers('GET', '/pets/7')).toEqual([400, '{"message":"Missing required request parameters: [q]"}']);
  expect(await answers('PUT', '/pets/7', '{"name":"a","friend":"bb"}')).toEqual([200, 'stored']);
  expect(await answers('PUT', '/pets/7', '{"name":"a","friend":"b"}')).toEqual([400, '{"message":"Invalid request body"}']);
  expect(await answers('POST', '/keyed')).toEqual([403, '{"message":"Forbidden"}']);
  expect((await answers('GET', '/none'))[0]).toBe(404);
  // Out, and in again as another API.
  for (const exportType of ['oas30', 'swagger']) {
    const { body } = await gateway.getExport({
      restApiId: id,
      stageName: 'prod',
      exportType,
      parameters: { extensions: 'integrations' },
    });
    const text = Buffer.from(body ?? []).toString('utf8');
    expect(JSON.parse(text).info).toEqual({ title: 'pets', version: '1.2', description: 'of pets' });
    const copy = await gateway.putRestApi({ restApiId: other, mode: 'overwrite', body: Buffer.from(text) });
    expect(copy.name).toBe('pets');
    await gateway.createDeployment({ restApiId: other, stageName: 'copy' });
    expect((await call(hostUrl(other, '/copy/pets/8?q=1'))).text).toBe('pet 8');
    expect((await call(hostUrl(other, '/copy/pets/8'))).status).toBe(400);
    expect((await call(hostUrl(other, '/copy/none'))).status).toBe(404);
  }
  await refused(
    gateway.getExport({ restApiId: id, stageName: 'prod', exportType: 'raml' }),
    'BadRequestException',
    "No API exporter for type 'raml'",
  );
  await refused(
    gateway.getExport({ restApiId: id, stageName: 'none', exportType: 'oas30' }),
    'NotFoundException',
    'Invalid Stage identifier specified',
  );
});
