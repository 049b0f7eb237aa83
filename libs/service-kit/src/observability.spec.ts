import { describe, expect, it } from '@jest/globals';
import { checkHealth, createLogger, createMetrics, frameworkLogger } from './index.js';

describe('createMetrics', () => {
  it('renders what was observed before and after prom-client is loaded', async () => {
    const metrics = createMetrics({ service: 'example' });
    const counter = metrics.counter({ name: 'tm_things_total', help: 'Things.', labels: ['kind'] });
    const histogram = metrics.histogram({ name: 'tm_seconds', help: 'Seconds.', buckets: [1, 2] });
    for (let i = 0; i < 1_500; i += 1) counter.increment({ kind: 'a' });
    histogram.observe(1.5);
    await metrics.render();
    counter.increment({ kind: 'a' }, 2);
    metrics.gauge({ name: 'tm_level', help: 'Level.' }).set(7);
    const { body, contentType } = await metrics.render();
    expect(contentType).toContain('text/plain');
    expect(body).toContain('tm_things_total{kind="a",service="example"} 1502');
    expect(body).toContain('tm_seconds_bucket{le="2",service="example"} 1');
    expect(body).toContain('tm_level{service="example"} 7');
  });
});

describe('checkHealth', () => {
  const up = { name: 'log', critical: true, check: () => ({ status: 'up', detail: 'fine' }) as const };

  it('is degraded by an optional probe that fails and down by a critical one', async () => {
    const broken = (critical: boolean) => ({
      name: 'broker',
      critical,
      check: (): never => {
        throw new TypeError('postgres://user:hunter2@host');
      },
    });
    const degraded = await checkHealth('example', [up, broken(false)]);
    expect(degraded.status).toBe('degraded');
    expect(JSON.stringify(degraded)).not.toContain('hunter2');
    expect((await checkHealth('example', [up, broken(true)])).status).toBe('down');
    expect((await checkHealth('example', [up])).status).toBe('up');
  });

  it('takes a probe that does not answer for down, and a draining service too', async () => {
    const silent = { name: 'silent', critical: true, check: () => new Promise<never>(() => undefined) };
    const report = await checkHealth('example', [silent], { limitMs: 5 });
    expect(report.probes[0]).toMatchObject({ status: 'down', detail: 'no answer within 5 ms' });
    expect((await checkHealth('example', [up], { draining: true })).status).toBe('down');
  });
});

describe('createLogger', () => {
  const collect = (): { readonly lines: string[]; write(line: string): void } => {
    const lines: string[] = [];
    return { lines, write: (line) => void lines.push(line) };
  };

  it('writes JSON with the service and level, and hides secrets', () => {
    const out = collect();
    createLogger({ service: 'example', level: 'info' }, out).info({ apiKey: 'hunter2', nested: { password: 'hunter2' }, id: 'x' }, 'done');
    const line = JSON.parse(out.lines[0] ?? '') as Record<string, unknown>;
    expect(line).toMatchObject({ service: 'example', level: 'info', msg: 'done', id: 'x' });
    expect(out.lines[0]).not.toContain('hunter2');
  });

  it('says of an error what it is, where it came from and what caused it, and nothing that somebody hung onto it', () => {
    const lines: string[] = [];
    const logger = createLogger({ service: 'example' }, { write: (line: string) => void lines.push(line) });
    const cause = new RangeError('the socket closed');
    const error = Object.assign(new Error('gone', { cause }), {
      code: '57P01',
      client: { secretKey: 4711 },
      detail: 'Key (name)=(a person)',
    });
    logger.warn({ err: error }, 'lost');
    logger.warn({ err: 'no error at all' }, 'lost');
    const [first, second] = lines.map((line) => (JSON.parse(line) as { readonly err: Readonly<Record<string, unknown>> }).err);
    expect(first).toEqual({
      type: 'Error',
      message: expect.stringMatching(/gone.*the socket closed/),
      code: '57P01',
      stack: expect.stringContaining('RangeError'),
    });
    expect(second).toBe('no error at all');
  });

  it('keeps the start-up chatter of the framework below info', () => {
    const out = collect();
    const nest = frameworkLogger(createLogger({ service: 'example' }, out));
    nest.log('Mapped {/, GET} route', 'RouterExplorer');
    nest.error(new Error('broken'), 'ExceptionsHandler');
    expect(out.lines).toHaveLength(1);
    expect(JSON.parse(out.lines[0] ?? '')).toMatchObject({ level: 'error', msg: 'broken', context: 'ExceptionsHandler' });
  });
});
