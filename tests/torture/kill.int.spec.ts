import { describe, expect, it } from '@jest/globals';
import { killRun } from './kill-run.js';

const said: string[] = [];

const PROCESSES = [
  { name: 'two state-services and a coordinator', together: false },
  { name: 'two engines', together: true },
];

describe.each(PROCESSES)('a busy platform with $name', ({ together }) => {
  it('finishes every workflow and records every attempt once, whichever process is killed', async () => {
    const report = await killRun({
      together,
      cicd: 2,
      simple: 10,
      repositories: 1,
      links: 18,
      thinkMs: 4_000,
      say: (text) => said.push(text),
    });
    expect(report.violations).toEqual([]);
    expect(report.finished).toBe(report.accepted);
    expect(report.accepted).toBeGreaterThan(12);
    expect(report.kills.every(({ openAttempts }) => openAttempts > 0)).toBe(true);
  }, 600_000);
});
