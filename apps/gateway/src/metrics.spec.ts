import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, startGateway, type GatewayUnderTest } from './testing/gateway-under-test.js';

const PROMTOOL = spawnSync('promtool', ['--version']).error === undefined;
if (!PROMTOOL) process.stderr.write("NOT TESTED: the metrics with Prometheus' own parser, because promtool is not installed\n");

let under: GatewayUnderTest;
let body: string;
beforeAll(async () => {
  under = await startGateway();
  for (const path of ['/api/workflows', '/api/workflows/wf_unknown', '/api/nothing', '/livez'])
    await (await call(`${under.url}${path}`)).text();
  const scraped = await call(`${under.url}/api/metrics`);
  expect(scraped.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  body = await scraped.text();
});
afterAll(async () => {
  await under.gateway.close();
});

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? ([Nn]a[Nn]|[+-]?Inf|[+-]?[0-9.eE+-]+)( [0-9]+)?$/;

describe('the metrics', () => {
  it('are samples in the text format, each after the help and the type of its family', () => {
    const families = new Set([...body.matchAll(/^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/gm)].map(([, name]) => name));
    const helped = new Set([...body.matchAll(/^# HELP (\S+) \S.*$/gm)].map(([, name]) => name));
    const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(samples.length).toBeGreaterThan(10);
    expect(samples.filter((line) => !SAMPLE.test(line))).toEqual([]);
    const names = samples.map((line) => SAMPLE.exec(line)?.[1] ?? '');
    expect(names.filter((name) => !families.has(name) && !families.has(name.replace(/_(bucket|sum|count)$/, '')))).toEqual([]);
    expect([...families].filter((name) => !helped.has(name))).toEqual([]);
  });

  it('say no series twice', () => {
    const series = body
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(series.length).toBe(new Set(series).size);
  });

  it('name routes by their pattern, so that ids and unknown paths make no series of their own', () => {
    expect(body).toContain('route="/api/workflows/:id"');
    expect(body).toContain('route="unknown"');
    expect(body).not.toContain('wf_unknown');
  });

  it("are read by Prometheus' own parser", () => {
    if (!PROMTOOL) return;
    const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
    // 3: it read everything and advises on names; those that it dislikes are of the Node client, not ours.
    const advice = `${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('taskmaster_'));
    expect({ parsed: status === 0 || status === 3, advice }).toEqual({ parsed: true, advice: [] });
  });
});
