import { expect, test } from 'vitest';
import { escapeJavaScript, findPath, renderTemplate, TemplateError } from './template.ts';

const base = { path: { id: '7' }, querystring: { q: 'x y' }, header: { Accept: '*/*' }, stageVariables: { env: 'test' } };

function render(template: string, body = '', context: unknown = { stage: 'prod', identity: { sourceIp: '1.2.3.4' } }): string {
  return renderTemplate(template, { ...base, body, context }).text;
}

test('references print members, nothing for what is missing, and themselves when unknown', () => {
  expect(render('$context.stage/${context.identity.sourceIp}/$stageVariables.env')).toBe('prod/1.2.3.4/test');
  expect(render('[$context.nothing][$!unknown][$unknown][\\$context]')).toBe('[][][$unknown][$context]');
  expect(render("$input.params('id') $input.params('q') $input.params().header.get('Accept') [$input.params('z')]")).toBe(
    '7 x y */* []',
  );
});

test('$input.json and $input.path read the body', () => {
  const body = '{"a":{"b":[1,2,{"c-d":"e"}]},"s":"it\\"s"}';
  expect(render("$input.json('$.a') $input.json('$.none') $input.json('$.s')", body)).toBe('{"b":[1,2,{"c-d":"e"}]} "" "it\\"s"');
  expect(render("$input.path('$.a.b[2].c-d') $input.path('$.a.b[0]') $input.path('$.a.b').size()", body)).toBe('e 1 3');
  expect(render("$input.json('$..c-d') $input.json('$.a.b[*]')", '{"a":{"b":[1,2]}}')).toBe('[] [1,2]');
  expect(render('$input.body', 'plain')).toBe('plain');
});

test('directives decide and repeat', () => {
  const template = [
    '#set($root = $input.path("$"))',
    '{',
    '#foreach($item in $root.items)',
    '  "$item.name": #if($item.n > 1)"many"#elseif($item.n == 1)"one"#{else}"none"#end#if($foreach.hasNext),#end',
    '',
    '#end',
    '}',
  ].join('\n');
  const body = JSON.stringify({
    items: [
      { name: 'a', n: 2 },
      { name: 'b', n: 1 },
      { name: 'c', n: 0 },
    ],
  });
  expect(JSON.parse(render(template, body))).toEqual({ a: 'many', b: 'one', c: 'none' });
  expect(render('#foreach($n in [1..5])#if($n == 4)#break#end$n#end')).toBe('123');
  expect(render('#set($m = {"a": 1, "b": [1, 2]})#foreach($k in $m.keySet())$k=$m.get($k);#end')).toBe('a=1;b=[1,2];');
  expect(render('#set($x = "v-$context.stage")#set($y = \'$x\')$x $y ## comment\n#* more *#$velocityCount')).toBe(
    'v-prod $x $velocityCount',
  );
  expect(render('#if("")yes#end#if($none)no#end#if(!$none && true)also#end')).toBe('yesalso');
  expect(render('#set($n = 7 / 2)$n #set($n = $n * -2 + 1)$n')).toBe('3 -5');
});

test('$util escapes and converts', () => {
  expect(render("$util.escapeJavaScript('a\"b')$util.base64Encode('hi')$util.base64Decode('aGk=')")).toBe('a\\"baGk=hi');
  expect(render("$util.urlEncode('a b&c')|$util.urlDecode('a+b%26c')|$util.parseJson('{\"a\":{\"b\":3}}').a.b")).toBe(
    'a+b%26c|a b&c|3',
  );
  expect(escapeJavaScript("it's\n/é")).toBe("it\\'s\\n\\/\\u00E9");
});

test('overrides are left in the context', () => {
  const { context } = renderTemplate('#set($context.responseOverride.status = 404)', {
    ...base,
    body: '',
    context: { responseOverride: { header: {} } },
  });
  expect(context).toEqual({ responseOverride: { header: {}, status: 404 } });
});

test('a template reaches nothing of the program, and stays within bounds', () => {
  expect(render('[$input.constructor][$util.constructor("x")][$context.__proto__][$input.json.call("x")]')).toBe('[][][][]');
  expect(() => render('#if(true)')).toThrow(TemplateError);
  expect(() => render('#end')).toThrow(TemplateError);
  expect(() => render('#foreach($n in [1..2000])x#end')).toThrow(TemplateError);
  expect(() => render('#set($a = ')).toThrow(TemplateError);
});

test('paths', () => {
  expect(findPath({ a: [{ b: 1 }] }, "$['a'][0].b")).toBe(1);
  expect(findPath({ a: 1 }, 'a')).toBe(1);
  expect(findPath({ a: 1 }, '$')).toEqual({ a: 1 });
});
