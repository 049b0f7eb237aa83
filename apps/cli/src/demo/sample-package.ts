/** The files of a small Node package with a passing test suite and no dependencies: what the demo changes. */
export const SAMPLE_FILES: Readonly<Record<string, string>> = {
  'package.json': `${JSON.stringify({ name: 'greeting-service', version: '1.0.0', private: true, type: 'module', description: 'Greets people over HTTP', scripts: { start: 'node src/server.js', test: 'node --test' } }, undefined, 2)}\n`,
  'README.md':
    '# greeting-service\n\nGreets people over HTTP.\n\n    npm start\n    curl http://127.0.0.1:8080/hello?name=Ada\n\n`npm test` runs the tests.\n',
  '.gitignore': 'node_modules/\n',
  'src/greet.js': `/** Greets a person, or the world when nobody is named. */
export function greet(name) {
  const who = String(name ?? '').trim();
  return \`Hello, \${who === '' ? 'world' : who}!\`;
}
`,
  'src/app.js': `import { createServer } from 'node:http';
import { greet } from './greet.js';

const json = (response, status, body) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

/** The HTTP application: one route, everything else is 404. */
export function createApp() {
  return createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (request.method === 'GET' && url.pathname === '/hello') json(response, 200, { greeting: greet(url.searchParams.get('name')) });
    else json(response, 404, { error: 'not found' });
  });
}
`,
  'src/server.js': `import { createApp } from './app.js';

const port = Number(process.env.PORT ?? 8080);
createApp().listen(port, '127.0.0.1', () => console.log(\`listening on http://127.0.0.1:\${port}\`));
`,
  'test/greet.test.js': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greet } from '../src/greet.js';

test('greets by name', () => assert.equal(greet('Ada'), 'Hello, Ada!'));
test('greets the world when nobody is named', () => assert.equal(greet(undefined), 'Hello, world!'));
test('ignores blanks around a name', () => assert.equal(greet('  Bob '), 'Hello, Bob!'));
`,
  'test/app.test.js': `import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createApp } from '../src/app.js';

const app = createApp();
let base;
before(() => new Promise((resolve) => app.listen(0, '127.0.0.1', () => { base = \`http://127.0.0.1:\${app.address().port}\`; resolve(); })));
after(() => new Promise((resolve) => app.close(resolve)));

test('answers with a greeting', async () => {
  const response = await fetch(\`\${base}/hello?name=Ada\`);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { greeting: 'Hello, Ada!' });
});

test('is 404 elsewhere', async () => assert.equal((await fetch(\`\${base}/nothing\`)).status, 404));
`,
};
